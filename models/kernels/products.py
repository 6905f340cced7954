"""A small dense matrix product in registers, written as LLVM code for numba: ROWS users against LANES items.

The sums of a tile stay in registers while the vectors' elements pass by, as in the kernel of any fast GEMM (Goto, van
de Geijn 2008), and are compared there with what each user still wants. Each score is summed in the order of the
elements, fused where the processor fuses: its bits do not depend on the tile, on threads, or on who else is asked.
"""

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from models.kernels.vectors import I64

# ROWS × LANES sums, one vector of items and one user's element must fit the processor's registers: 32 of 16 floats
# with AVX-512, else 16 of 8.
WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
ROWS, LANES = (6, 64) if WIDE else (6, 16)
VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _address(context: Any, builder: Any, signature: Any, args: Any, array: int, at: Any) -> Any:
    return builder.gep(make_array(signature.args[array])(context, builder, args[array]).data, [at])


def _load(builder: Any, address: Any) -> Any:
    return builder.load(builder.bitcast(address, VECTOR.as_pointer()), align=4)


def _repeated(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def multiply(typing_context, scores, above, users, at, items, start, size, floor, first):  # type: ignore[no-untyped-def]
    """scores[r · LANES + l] = Σ users[at + p · ROWS + r] · items[start + p · LANES + l] over p < size (at least 1).

    above[r] gets a bit for each lane whose score is greater than floor[first + r]; returns all rows' bits together.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, _, at, _, start, size, _, first = args
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        multiply_add = builder.module.declare_intrinsic(f"llvm.fmuladd.v{LANES}f32", (), kind)
        builder.branch(loop)
        builder.position_at_end(loop)
        p = builder.phi(I64)
        sums = [builder.phi(VECTOR) for _ in range(ROWS)]
        here = builder.add(start, builder.mul(p, ir.Constant(I64, LANES)))
        lanes = _load(builder, _address(context, builder, signature, args, 4, here))
        element = builder.add(at, builder.mul(p, ir.Constant(I64, ROWS)))
        following = builder.add(p, ir.Constant(I64, 1))
        for r, total in enumerate(sums):
            place = builder.add(element, ir.Constant(I64, r))
            value = _repeated(builder, builder.load(_address(context, builder, signature, args, 2, place)))
            total.add_incoming(ir.Constant(VECTOR, [0.0] * LANES), before)
            total.add_incoming(builder.call(multiply_add, [value, lanes, total]), loop)
        p.add_incoming(ir.Constant(I64, 0), before)
        p.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, size), loop, after)
        builder.position_at_end(after)
        every = ir.Constant(I64, 0)
        for r, total in enumerate(sums):
            done = total.incomings[1][0]
            row = _address(context, builder, signature, args, 0, ir.Constant(I64, r * LANES))
            builder.store(done, builder.bitcast(row, VECTOR.as_pointer()), align=4)
            least = _address(context, builder, signature, args, 7, builder.add(first, ir.Constant(I64, r)))
            more = builder.fcmp_ordered(">", done, _repeated(builder, builder.load(least)))
            bits = (
                builder.zext(builder.bitcast(more, ir.IntType(LANES)), I64)
                if LANES < 64
                else builder.bitcast(more, I64)
            )
            builder.store(bits, _address(context, builder, signature, args, 1, ir.Constant(I64, r)))
            every = builder.or_(every, bits)
        return every

    return types.uint64(scores, above, users, at, items, start, size, floor, first), emit
