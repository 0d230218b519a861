// Functions that several sources share; this text stands before theirs. Sums are in f32, and in an order that follows from the shapes alone.
//
// Defines
// LOW: the type Low, in which the factors of products and the arrays between two kernels are: 0 for f32, 1 for bf16, 2 for f16.
// DROPOUT: 1 if there are masks; only where a kernel has some.

// Functions that some sources do not need.
#pragma nv_diag_suppress 177

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if LOW
typedef u16 Low;
#else
typedef float Low;
#endif

// Numbers of type Low in 16 bytes.
#define VECTOR (16 / (int)sizeof(Low))

#define DEVICE static __device__ __forceinline__

// Two numbers of a type of 16 bits, bf16 unless Low is f16, as bits, the first in the low half. `pair` takes the nearest; what f16 cannot hold is
// infinite.
#if LOW == 2
DEVICE u16 half_of(float x) {
    u16 half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
    return half;
}

DEVICE float wide_of(u16 half) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
    return x;
}

DEVICE u32 pair(float first, float second) { return half_of(first) | (u32)half_of(second) << 16; }

DEVICE float first_of(u32 both) { return wide_of((u16)both); }

DEVICE float second_of(u32 both) { return wide_of((u16)(both >> 16)); }
#else
DEVICE u32 pair(float first, float second) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
}

DEVICE float first_of(u32 both) { return __uint_as_float(both << 16); }

DEVICE float second_of(u32 both) { return __uint_as_float(both & 0xffff0000u); }
#endif

// Four numbers that lie together, at a multiple of their size.
DEVICE void load_four(float (&to)[4], const float* from) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

DEVICE void load_four(float (&to)[4], const u16* from) {
    const uint2 four = *reinterpret_cast<const uint2*>(from);
    to[0] = first_of(four.x), to[1] = second_of(four.x), to[2] = first_of(four.y), to[3] = second_of(four.y);
}

DEVICE void store_four(float* to, const float (&from)[4]) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}

DEVICE void store_four(u16* to, const float (&from)[4]) {
    *reinterpret_cast<uint2*>(to) = make_uint2(pair(from[0], from[1]), pair(from[2], from[3]));
}

// Sixteen bytes of numbers.
DEVICE void load_vector(float (&to)[VECTOR], const Low* from) {
#if LOW
    const uint4 eight = *reinterpret_cast<const uint4*>(from);
    to[0] = first_of(eight.x), to[1] = second_of(eight.x), to[2] = first_of(eight.y), to[3] = second_of(eight.y);
    to[4] = first_of(eight.z), to[5] = second_of(eight.z), to[6] = first_of(eight.w), to[7] = second_of(eight.w);
#else
    load_four(to, from);
#endif
}

DEVICE void store_vector(Low* to, const float (&from)[VECTOR]) {
#if LOW
    *reinterpret_cast<uint4*>(to) =
        make_uint4(pair(from[0], from[1]), pair(from[2], from[3]), pair(from[4], from[5]), pair(from[6], from[7]));
#else
    store_four(to, from);
#endif
}

// The sum over a warp, the same bits on all of its threads.
DEVICE float sum_of_warp(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

// Column sums of a matrix are taken in two passes. A block of the first has BLOCK_LANES neighbouring vectors and BLOCK_ROWS rows at a time, and
// writes one sum of each of its columns.
#define BLOCK_LANES 32
#define BLOCK_ROWS 8

// Adds the sums of the threads of a block that have the same columns, and writes them. All threads must call this.
DEVICE void write_block(float* to, const float (&sum)[VECTOR], bool inside) {
    __shared__ float sums[BLOCK_ROWS][VECTOR][BLOCK_LANES];
    const u32 lane = threadIdx.x % BLOCK_LANES, row = threadIdx.x / BLOCK_LANES;
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) sums[row][i][lane] = sum[i];
    __syncthreads();
    if (row == 0 && inside) {
        float total[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            total[i] = sums[0][i][lane];
#pragma unroll
            for (int other = 1; other < BLOCK_ROWS; ++other) total[i] += sums[other][i][lane];
        }
#pragma unroll
        for (int i = 0; i < VECTOR; i += 4) {
            const float four[4] = {total[i], total[i + 1], total[i + 2], total[i + 3]};
            store_four(to + i, four);
        }
    }
}

// The masks of dropout. of_row[row] is the text of a row and offsets[text] its first row. Element `column` of the row has the number
// (row - first row) * width + column in its text. It is dropped if its half of the 64-bit draw mix(mix(seeds[text], site), number / 2), the low
// one if the number is even, is below the threshold; else its factor is scale.
struct Masks {
    const u32* of_row;
    const u32* offsets;
    const u64* seeds;
    u32 site;
    u32 threshold;
    float scale;
};

// The masks of a row.
struct RowMask {
    u64 key;
    u32 first;
};

DEVICE u64 last_of_mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

DEVICE u64 mix(u64 seed, u64 position) { return last_of_mix(seed + (position + 1) * 0x9e3779b97f4a7c15ull); }

DEVICE RowMask mask_of_row(const Masks& masks, u32 row, u32 width) {
#if DROPOUT
    const u32 text = masks.of_row[row];
    return {mix(masks.seeds[text], masks.site), (row - masks.offsets[text]) * width};
#else
    return {0, 0};
#endif
}

// A bit for each of four numbers from an even place of a row on: 1 if it is dropped.
DEVICE u32 dropped(const Masks& masks, const RowMask& row, u32 column) {
#if DROPOUT
    const u32 pair = (row.first + column) / 2;
    const u64 one = mix(row.key, pair), other = mix(row.key, pair + 1);
    return (u32)((u32)one < masks.threshold) | (u32)((u32)(one >> 32) < masks.threshold) << 1 |
           (u32)((u32)other < masks.threshold) << 2 | (u32)((u32)(other >> 32) < masks.threshold) << 3;
#else
    return 0;
#endif
}

DEVICE float masked(const Masks& masks, float x, u32 bits, int number) {
#if DROPOUT
    return __fmul_rn(x, bits >> number & 1 ? 0.0f : masks.scale);
#else
    return x;
#endif
}

// Four numbers of the sum mask * (x + x_bias) + residual, from a place on, which is in this column. x_bias and residual may be null.
DEVICE void load_sum(
    float (&to)[4], const Low* x, const float* x_bias, const float* residual, const Masks& masks, u32 bits, u64 at, u32 column
) {
    load_four(to, x + at);
    if (x_bias != nullptr) {
        float bias[4];
        load_four(bias, x_bias + column);
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] += bias[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = masked(masks, to[i], bits, i);
    if (residual != nullptr) {
        float other[4];
        load_four(other, residual + at);
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] += other[i];
    }
}
