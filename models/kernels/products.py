"""A dense matrix product in registers, written as LLVM code for numba: a group of users against a panel of items.

The sums of a tile stay in registers while the vectors' elements pass by, as in the kernel of any fast GEMM (Goto, van
de Geijn 2008), and are compared there with what each user still wants. Each score is summed in the order of the
elements, fused where the processor fuses: its bits do not depend on the tile, on threads, or on who else is asked.
"""

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from models.kernels.vectors import I64, element, load, repeat

# The sums of a group and a panel, one vector of items and one user's element must fit the processor's registers: 32 of
# 16 floats with AVX-512, else 16 of 8.
WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
GROUP_USERS, PANEL_ITEMS = (6, 64) if WIDE else (6, 16)
VECTOR = ir.VectorType(ir.FloatType(), PANEL_ITEMS)


@intrinsic
def multiply(typing_context, scores, above, users, at, items, start, size, floor, first):  # type: ignore[no-untyped-def]
    """scores[r · n + l] = Σ users[at + p · m + r] · items[start + p · n + l] over p < size (at least 1).

    m = GROUP_USERS, r < m; n = PANEL_ITEMS, l < n.
    above[r] gets a bit for each lane whose score is greater than floor[first + r]; returns all rows' bits together.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, _, at, _, start, size, _, first = args
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        multiply_add = builder.module.declare_intrinsic(f"llvm.fmuladd.v{PANEL_ITEMS}f32", (), kind)
        builder.branch(loop)
        builder.position_at_end(loop)
        p = builder.phi(I64)
        sums = [builder.phi(VECTOR) for _ in range(GROUP_USERS)]
        here = builder.add(start, builder.mul(p, ir.Constant(I64, PANEL_ITEMS)))
        lanes = load(builder, VECTOR, element(context, builder, signature, args, 4, here))
        first_user = builder.add(at, builder.mul(p, ir.Constant(I64, GROUP_USERS)))
        following = builder.add(p, ir.Constant(I64, 1))
        for r, total in enumerate(sums):
            place = builder.add(first_user, ir.Constant(I64, r))
            value = repeat(builder, VECTOR, builder.load(element(context, builder, signature, args, 2, place)))
            total.add_incoming(ir.Constant(VECTOR, [0.0] * PANEL_ITEMS), before)
            total.add_incoming(builder.call(multiply_add, [value, lanes, total]), loop)
        p.add_incoming(ir.Constant(I64, 0), before)
        p.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, size), loop, after)
        builder.position_at_end(after)
        every = ir.Constant(I64, 0)
        for r, total in enumerate(sums):
            done = total.incomings[1][0]
            row = element(context, builder, signature, args, 0, ir.Constant(I64, r * PANEL_ITEMS))
            builder.store(done, builder.bitcast(row, VECTOR.as_pointer()), align=4)
            least = element(context, builder, signature, args, 7, builder.add(first, ir.Constant(I64, r)))
            more = builder.fcmp_ordered(">", done, repeat(builder, VECTOR, builder.load(least)))
            bits = (
                builder.zext(builder.bitcast(more, ir.IntType(PANEL_ITEMS)), I64)
                if PANEL_ITEMS < 64
                else builder.bitcast(more, I64)
            )
            builder.store(bits, element(context, builder, signature, args, 1, ir.Constant(I64, r)))
            every = builder.or_(every, bits)
        return every

    return types.uint64(scores, above, users, at, items, start, size, floor, first), emit
