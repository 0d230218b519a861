// MaxSim on the tensor cores: scores, and the gradients by queries and documents. Products are never in memory. This text stands behind the
// common functions, and before halves.cu, scores.cu or gradients.cu.
//
// # Numbers
// Kernels multiply halves, which are f16, and add in f32. A text's numbers are multiplied by a power of two that brings the largest of them
// between 2^14 and 2^15, so that all that matter are normal numbers of f16; scores and gradients are divided by it again. With SPLIT a number is
// the sum of two halves, and a product is that of three pairs of them. What is left out is at most 3 * 2^-22 of the sum of the absolute products.
// Without SPLIT a number has the 11 significant bits of f16.
// All results have the same bits every time: there are no atomic sums.
//
// # Defines
// DIM: halves of a vector, a multiple of 32 up to 256; those behind the vector's own are 0. SPLIT: 0 or 1. KEEP: 1 if the best token of each
// maximum is written. WARPS: warps of a block of maxsim_scores. The last two belong to scores.cu alone.
//
// # Rows
// The tokens of a text that count lie side by side as rows of halves, [ROW]: DIM, with SPLIT followed by the DIM second halves. Each text begins
// at a multiple of 8, and its last group of 8 is filled up: a document's with copies of its first row, which never win against it, and a query's
// with zeros, whose maximum is 0.
// tokens  u32 [rows]: the row of the values from which a row was made; 0xffffffff for zeros
// starts  u32 [texts + 1]: the first row of each text, and the end
// scales  f32 [texts]: the factor that undoes the power of two
//
// # Places
// A place is a pair of a group of 8 rows of the queries and a document, and has 8 maxima and their sum. Record q of `records`, 2 u32, holds the
// base and the stride of a query: its group g (counted from its first) and its document c (its column of the scores) have the place
// base + c * stride + g. If `group` is 0 a query meets all documents; else those from q * group on, of which it has as many.
// sums    f32 [places]: the sum of the 8 maxima, scaled
// best    u16 [places, 8]: the row in the document, counted from its first, of which each maximum is the product; 0xffff for a floor of 0

#define NONE 0xffffffffu
// A maximum that is not a product.
#define NO_TOKEN 0xffffu

#define ROW ((SPLIT + 1) * DIM)

// ---------------------------------------------------------------------------------------------------------------------------------------
// Instructions.

DEVICE u32 shared_address(const void* pointer) {
    u32 address;
    asm("{ .reg .u64 t; cvta.to.shared.u64 t, %1; cvt.u32.u64 %0, t; }" : "=r"(address) : "l"(pointer));
    return address;
}

// Copies 16 bytes to shared memory, or writes zeros there.
DEVICE void copy_async(u32 to, const void* from, bool valid) {
    u32 bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int PENDING>
DEVICE void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

DEVICE void load_matrices(u32 (&to)[4], u32 from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from)
                 : "memory");
}

// sum += left (16 x 16) * right (16 x 8)
DEVICE void multiply(float (&sum)[4], const u32 (&left)[4], u32 right_0, u32 right_1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right_0), "r"(right_1));
}

#if HOPPER

// A matrix of 64 rows of 16 halves in shared memory, for a product: from an address on, in blocks of 128 bytes of each row. Eight rows of a block have 1,024
// bytes, from a multiple of that on, and their parts of 16 bytes are exchanged by the number of the row.
DEVICE u64 matrix_of(u32 from) { return (u64)(from >> 4 & 0x3fff) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

// Before products, behind all that was written to their registers.
DEVICE void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// Copies of this thread that are done are there for the products of all threads behind the next barrier.
DEVICE void copies_for_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// sum (+)= left * right, of a matrix of 64 rows, whose products with left's 16 rows each of four warps has.
DEVICE void multiply_four_warps(float (&sum)[8][4], const u32 (&left)[4], u64 right, bool add) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, %37, 0; "
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
        "{%32, %33, %34, %35}, %36, p, 1, 1, 0; }"
        : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3]), "+f"(sum[1][0]), "+f"(sum[1][1]),
          "+f"(sum[1][2]), "+f"(sum[1][3]), "+f"(sum[2][0]), "+f"(sum[2][1]), "+f"(sum[2][2]), "+f"(sum[2][3]),
          "+f"(sum[3][0]), "+f"(sum[3][1]), "+f"(sum[3][2]), "+f"(sum[3][3]), "+f"(sum[4][0]), "+f"(sum[4][1]),
          "+f"(sum[4][2]), "+f"(sum[4][3]), "+f"(sum[5][0]), "+f"(sum[5][1]), "+f"(sum[5][2]), "+f"(sum[5][3]),
          "+f"(sum[6][0]), "+f"(sum[6][1]), "+f"(sum[6][2]), "+f"(sum[6][3]), "+f"(sum[7][0]), "+f"(sum[7][1]),
          "+f"(sum[7][2]), "+f"(sum[7][3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "l"(right), "r"((u32)add));
}

// Waits for all products that were begun. `sum` holds their results, and is named so that nothing reads it earlier.
template <int TILES_>
DEVICE void wait_for_products(float (&sum)[TILES_][8][4]) {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < TILES_ * 32; ++i) asm volatile("" : "+f"((&sum[0][0][0])[i])::"memory");
}

#endif

// The larger number; NaN if one is NaN.
DEVICE float max_nan(float a, float b) {
    float c;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(c) : "f"(a), "f"(b));
    return c;
}

// The nearest halves of two numbers, the first in the low bits.
DEVICE u32 halves_of(float first, float second) {
    u32 word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}

DEVICE float first_half(u32 word) {
    float x;
    asm("{ .reg .f16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, low; }" : "=f"(x) : "r"(word));
    return x;
}

DEVICE float second_half(u32 word) {
    float x;
    asm("{ .reg .f16 low, high; mov.b32 {low, high}, %1; cvt.f32.f16 %0, high; }" : "=f"(x) : "r"(word));
    return x;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// Rows.

// Four neighbouring numbers of a row of f32 [dim]; 0 behind its end.
DEVICE void load_part(float (&to)[4], const float* row, u32 column, u32 dim) {
    if (dim % 4 == 0 && column < dim) {
        load_four(to, row + column);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = column + i < dim ? row[column + i] : 0.0f;
    }
}

DEVICE void store_part(float* row, u32 column, u32 dim, const float (&from)[4]) {
    if (dim % 4 == 0 && column < dim) {
        store_four(row + column, from);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (column + i < dim) row[column + i] = from[i];
        }
    }
}

// to += factor * four neighbouring numbers of a row of halves
DEVICE void add_part(float (&to)[4], const u16* row, u32 column, float factor) {
    const uint2 high = *reinterpret_cast<const uint2*>(row + column);
    float x[4] = {first_half(high.x), second_half(high.x), first_half(high.y), second_half(high.y)};
#if SPLIT
    const uint2 low = *reinterpret_cast<const uint2*>(row + DIM + column);
    x[0] += first_half(low.x), x[1] += second_half(low.x), x[2] += first_half(low.y), x[3] += second_half(low.y);
#endif
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = fmaf(factor, x[i], to[i]);
}
