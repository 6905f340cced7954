"""Operations on vectors of 64 float32, written as LLVM code for numba.

LLVM keeps the lanes apart and the sums in registers, where the same loops in Python run at half the speed or less.
Any processor can run them: LLVM splits a vector into what the processor has. No operation is fused or reordered.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 64

FLOATS = ir.VectorType(ir.FloatType(), LANES)
I64 = ir.IntType(64)


def element(context: Any, builder: Any, signature: Any, args: Any, array: int, at: Any) -> Any:
    """The address of element `at` of the array passed as that argument."""
    data = make_array(signature.args[array])(context, builder, args[array]).data
    return builder.gep(data, [at])


def load(builder: Any, kind: ir.VectorType, address: Any) -> Any:
    """The vector of that type that begins at an address of float32."""
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=4)


def repeat(builder: Any, kind: ir.VectorType, value: Any) -> Any:
    """A vector of that type, all of one value."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count))


@intrinsic
def add_panel(typing_context, sums, at, ranks, values, low, high, upper, panels, base):  # type: ignore[no-untyped-def]
    """sums[at:at+LANES] += Σ values[p] · panels[base + ranks[p] · LANES:][:LANES] over p = low, … in that order.

    It ends before `high`, or the first p with ranks[p] >= upper, and returns where.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, at, _, _, low, high, upper, _, base = args

        def rank_of(p: Any) -> Any:
            return builder.zext(builder.load(element(context, builder, signature, args, 2, p)), I64)

        entry = builder.block
        peek, start, loop, more, leave, after = (builder.append_basic_block() for _ in range(6))
        builder.cbranch(builder.icmp_signed("<", low, high), peek, after)
        builder.position_at_end(peek)
        lowest = rank_of(low)
        builder.cbranch(builder.icmp_signed("<", lowest, upper), start, after)
        builder.position_at_end(start)
        target = element(context, builder, signature, args, 0, at)
        before = load(builder, FLOATS, target)
        builder.branch(loop)
        builder.position_at_end(loop)
        p, rank, total = builder.phi(I64), builder.phi(I64), builder.phi(FLOATS)
        offset = builder.add(base, builder.mul(rank, ir.Constant(I64, LANES)))
        row = load(builder, FLOATS, element(context, builder, signature, args, 7, offset))
        value = repeat(builder, FLOATS, builder.load(element(context, builder, signature, args, 3, p)))
        added, following = builder.fadd(total, builder.fmul(value, row)), builder.add(p, ir.Constant(I64, 1))
        builder.cbranch(builder.icmp_signed("<", following, high), more, leave)
        builder.position_at_end(more)
        next_rank = rank_of(following)
        builder.cbranch(builder.icmp_signed("<", next_rank, upper), loop, leave)
        for phi, first, later in ((p, low, following), (rank, lowest, next_rank), (total, before, added)):
            phi.add_incoming(first, start)
            phi.add_incoming(later, more)
        builder.position_at_end(leave)
        builder.store(added, builder.bitcast(target, FLOATS.as_pointer()), align=4)
        builder.branch(after)
        builder.position_at_end(after)
        end = builder.phi(I64)
        for place, block in ((low, entry), (low, peek), (following, leave)):
            end.add_incoming(place, block)
        return end

    return types.int64(sums, at, ranks, values, low, high, upper, panels, base), emit


@intrinsic
def exceeding(typing_context, products, at, xs, x, ys, y):  # type: ignore[no-untyped-def]
    """A bit for each lane where product != 0 and product > xs · x + ys · y, of the vectors at `at`; x, y scalars."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = args[1]
        product, xs, ys = (load(builder, FLOATS, element(context, builder, signature, args, n, at)) for n in (0, 2, 4))
        first = builder.fmul(xs, repeat(builder, FLOATS, args[3]))
        limit = builder.fadd(first, builder.fmul(ys, repeat(builder, FLOATS, args[5])))
        some = builder.fcmp_ordered("!=", product, ir.Constant(FLOATS, [0.0] * LANES))
        return builder.bitcast(builder.and_(some, builder.fcmp_ordered(">", product, limit)), I64)

    return types.uint64(products, at, xs, x, ys, y), emit


@intrinsic
def lowest_bit(typing_context, mask):  # type: ignore[no-untyped-def]
    """The position of the lowest bit set in a uint64 that is not 0."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), emit


@intrinsic
def copy(typing_context, target, at, source, origin):  # type: ignore[no-untyped-def]
    """target[at:at+LANES] = source[origin:origin+LANES]."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = load(builder, FLOATS, element(context, builder, signature, args, 2, args[3]))
        place = builder.bitcast(element(context, builder, signature, args, 0, args[1]), FLOATS.as_pointer())
        builder.store(lanes, place, align=4)
        return context.get_dummy_value()

    return types.void(target, at, source, origin), emit


@intrinsic
def prefetch(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Ask for the cache line of array[at], which will be read soon."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(element(context, builder, signature, args, 0, args[1]), ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(function, [place, ir.Constant(i32, 0), ir.Constant(i32, 3), ir.Constant(i32, 1)])
        return context.get_dummy_value()

    return types.void(array, at), emit
