// Attention over a packed run on the tensor cores, forward and backward (Dao 2023, FlashAttention-2). No scores are kept.
//
// # Numbers
// Halves are bf16, or f16 with HALF. Products are of halves, sums are f32. Scores are scaled by 1 / sqrt(HEAD_DIM). All results have the same
// bits every time: there are no atomic sums.
//
// # Semantics
// A text is `length` rows of the run, and its tokens attend to the first `keys` of them, with WINDOW only to those at most `window` places
// away. A token without any key becomes 0, and its log-sum-exp minus infinity. NaN comes out as NaN. Element (head, query, key) of the
// weights of a text has the number (head * length + query) * length + key. Dropout decides on it by half of the 64-bit draw
// mix(mix(seeds[text], site), number / 2), the low one if the number is even: dropped if the half is below `threshold`, which is the
// probability times 2^32. `keep` is 1 over the probability to keep, 1 without dropout, and `log_keep` its logarithm by base 2.
//
// # Defines
// HEAD_DIM 32, 64 or 128. HALF 0 or 1. WINDOW 0 or 1. DROPOUT 0 or 1. BIAS 0 or 1: a bias by distance is added to the scaled scores; not with
// WINDOW, and only for texts that the fused backward kernel takes. PASS: the sum of 1 for the forward kernel, 2 for the fused backward
// kernel, 4 for the pair of backward kernels of long texts. SAVED 0 or 1: whether the forward kernel writes the bits of dropout for the fused
// backward kernel, which else draws them again; has to be the same for both. The others, with their defaults below, set the sizes of thread
// blocks: the warps W of a kernel are FORWARD_WARPS, BACKWARD_WARPS, or LONG_WARPS.
//
// # Arrays
// qkv, d_qkv   halves [tokens, 3 * hidden]: q, k and v side by side, heads side by side in each; hidden = heads * HEAD_DIM
// ctx, d_ctx   halves [tokens, hidden]: the result and the gradient by it
// lse          f32 [heads, tokens]: the log-sum-exp of scaled scores
// constants    f32 [heads, tokens]: from one kernel of the pair for the other
// saved        u32 [8 * heads * blocks], blocks below; may be null unless DROPOUT and SAVED
// seeds        u64 [texts]; may be null without DROPOUT
// bias         f32 [heads, distances]: the bias of each distance, key minus query, from the least on, over SCALE; distances = 2 * longest - 1 for
//              a longest text of at most 16 * W rows; may be null without BIAS
// by_distance  f32 [items, distances]: the sums of the gradient by the scores of each distance; may be null without BIAS
// Rows that belong to no text are neither read nor written. Arrays of halves begin at multiples of 16 bytes.
//
// # Slots
// A slot is the work of a warp, 16 rows of a text. 8 u32: the first row of the text in the run, length, keys, the first of the 16 rows in the
// text (a multiple of 16), the text's number, base, bits, 0. With bits the saved bits are found: the sum over the texts before of the squares
// of their numbers of slots, ceil(length / 16); blocks is the sum over all. 0xffffffff: not saved. All texts of the fused kernel have it if
// SAVED. An idle slot is all 0. Texts of length 0 have no slots.
//
// A group is W slots side by side, at which the warps of a thread block work together. It holds
// - all slots of one or more texts, each text's in order, filled up with idle ones; base is the number in the group of the text's slot 0; or
// - slots of one text that has more than W, in the forward kernel and in the pair: rows from a multiple of 16 * W on, also beyond the text's
//   end; base is 0.
//
// # Items
// The forward and the fused backward kernel take lists of items. An item is 2 u32: the number of the first slot of a group, and a head. starts,
// u32 [thread blocks + 1]: the list of block b is the items from starts[b] up to starts[b + 1]. All heads of all groups are in one of the
// lists. As many blocks as the device has multiprocessors are best, with lists that take about equally long: the cost of an item is 5.5 plus
// the number of slots of its longest text, and dear items come first.
//
// # Kernels
// attention_forward: grid (blocks), 32 W threads, shared memory 192 W * HEAD_DIM + 32 W^2. Texts of any length.
// attention_backward: grid (blocks), 32 W threads, shared memory W * (160 * HEAD_DIM + 16 * max(32 W + 16, 4 * HEAD_DIM) + 320 + 32 W). Texts
// of at most 16 * W tokens.
// attention_backward_queries, then attention_backward_keys: grid (groups * heads), 32 W threads, shared memory 192 W * HEAD_DIM + 32 W^2, and
// 192 W * HEAD_DIM + 512 W + 32 W^2. Texts of any length, for those that the fused kernel does not take.
// attention_spread_bias: grid (heads), 512 threads: bias from its table, f32 [buckets, heads], and the bucket of each distance, u32 [distances].
// attention_bias_sums: grid (heads), 512 threads, shared memory 4 * distances: the gradient by the table, from by_distance.
// Shared memory is dynamic, and above 48 KiB the limit has to be raised.

// Functions that some defines do not need.
#pragma nv_diag_suppress 177

#ifndef HEAD_DIM
#define HEAD_DIM 64
#endif
#ifndef HALF
#define HALF 0
#endif
#ifndef WINDOW
#define WINDOW 0
#endif
#ifndef DROPOUT
#define DROPOUT 0
#endif
#ifndef BIAS
#define BIAS 0
#endif
#ifndef FORWARD_WARPS
#define FORWARD_WARPS (HEAD_DIM > 64 ? 8 : 12)
#endif
#ifndef FORWARD_BLOCKS
#define FORWARD_BLOCKS 3
#endif
#ifndef BACKWARD_WARPS
#define BACKWARD_WARPS (HEAD_DIM > 64 ? 4 : 12)
#endif
#ifndef LONG_WARPS
#define LONG_WARPS 4
#endif
#ifndef LONG_CTAS
#define LONG_CTAS (HEAD_DIM > 64 ? 2 : 3)
#endif
#ifndef SAVED
#define SAVED 0
#endif
#ifndef PASS
#define PASS 7
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Bytes of a row of a head, and its parts of 16 bytes.
#define ROW_BYTES (2 * HEAD_DIM)
#define CHUNKS (HEAD_DIM / 8)
// Steps of 16 through a row of a head.
#define STEPS (HEAD_DIM / 16)

#define INFINITY_ __int_as_float(0x7f800000)
#define NAN_ __int_as_float(0x7fffffff)
// 1 over the square root of the head's dimension.
#define SCALE (HEAD_DIM == 64 ? 0.125f : HEAD_DIM == 32 ? 0.17677669529663687f : 0.08838834764831845f)
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__

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
                 : "r"(from));
}

DEVICE void load_transposed(u32 (&to)[4], u32 from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from));
}

DEVICE void store_matrices(u32 to, const u32 (&from)[4]) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(from[0]), "r"(from[1]),
                 "r"(from[2]), "r"(from[3])
                 : "memory");
}

DEVICE uint4 load_shared_16(u32 from) {
    uint4 to;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(to.x), "=r"(to.y), "=r"(to.z), "=r"(to.w) : "r"(from));
    return to;
}

DEVICE u32 load_shared(u32 from) {
    u32 to;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(to) : "r"(from));
    return to;
}

DEVICE void load_shared_words(u32 (&to)[2], u32 from) {
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "r"(from));
}

DEVICE void store_shared_word(u32 to, u32 value) { asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(value) : "memory"); }

// The number of the thread in its warp. The compiler does not know that it stays the same.
DEVICE u32 lane_now() {
    u32 lane;
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    return lane;
}

// Sets a bit if the number is not below the threshold.
DEVICE void set_bit(u32& bits, u32 bit, u32 number, u32 threshold) {
    asm("{ .reg .pred p; setp.ge.u32 p, %1, %2; @p or.b32 %0, %0, %3; }" : "+r"(bits) : "r"(number), "r"(threshold), "r"(bit));
}

DEVICE void store_shared_half(u32 to, u32 value) {
    asm volatile("st.shared.u16 [%0], %1;" ::"r"(to), "h"((u16)value) : "memory");
}

DEVICE float load_shared_half(u32 from) {
    u16 bits;
    asm volatile("ld.shared.u16 %0, [%1];" : "=h"(bits) : "r"(from));
#if HALF
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    return __int_as_float((u32)bits << 16);
#endif
}

DEVICE void store_shared(u32 to, float value) { asm volatile("st.shared.f32 [%0], %1;" ::"r"(to), "f"(value) : "memory"); }

DEVICE void load_shared_pair(float (&to)[2], u32 from) {
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(to[0]), "=f"(to[1]) : "r"(from));
}

DEVICE uint4 load_global_16(const void* from) {
    uint4 to;
    asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(to.x), "=r"(to.y), "=r"(to.z), "=r"(to.w) : "l"(from));
    return to;
}

DEVICE uint2 load_global_8(const void* from) {
    uint2 to;
    asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(to.x), "=r"(to.y) : "l"(from));
    return to;
}

// Brings a line of device memory into the cache of the device.
DEVICE void prefetch(const void* from) { asm volatile("prefetch.global.L2 [%0];" ::"l"(from)); }

DEVICE void store_global_16(u16* to, uint4 value) {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w)
                 : "memory");
}

// sum = start + left (16 x 16) * right (16 x 8)
DEVICE void multiply_from(float (&sum)[4], const u32 (&left)[4], u32 right_0, u32 right_1, const float (&start)[4]) {
#if HALF
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
#endif
        : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right_0), "r"(right_1), "f"(start[0]), "f"(start[1]),
          "f"(start[2]), "f"(start[3]));
}

// sum += left (16 x 16) * right (16 x 8)
DEVICE void multiply(float (&sum)[4], const u32 (&left)[4], u32 right_0, u32 right_1) {
    multiply_from(sum, left, right_0, right_1, sum);
}

// Two halves of a word, the first in the low bits.
DEVICE u32 pack(float first, float second) {
    u32 word;
#if HALF
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
#endif
    return word;
}

// 2 to the power x.
DEVICE float exp2_(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE float log2_(float x) {
    float y;
    asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE u32 shuffle_down(u32 value, int lanes) { return __shfl_down_sync(0xffffffff, value, lanes); }

DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xffffffff, value, mask); }

// ---------------------------------------------------------------------------------------------------------------------------------------
// Dropout.

#define GAMMA 0x9e3779b97f4a7c15ull

DEVICE u64 finish(u64 z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

// The number at a position of the SplitMix64 sequence that starts at a seed.
DEVICE u64 mix(u64 seed, u64 position) { return finish(seed + (position + 1) * GAMMA); }

// What decides which weights of a text are kept.
struct Masks {
    u64 key;
    u32 threshold;
};

// A bit for each of 16 neighbouring elements, the first of them in bit 0: 1 if it is kept. Only the first `count` are wanted.
DEVICE u32 kept(Masks masks, u64 element, u32 count) {
    u64 z = masks.key + ((element >> 1) + 1) * GAMMA;
    u32 odd = (u32)element & 1;
    u32 draws = (min(count, 16u) + odd + 1) >> 1;
    u32 bits = 0;
#pragma unroll
    for (u32 part = 0; part < 2; part++) {
        if (draws > 4 * part) {
#pragma unroll
            for (u32 i = 4 * part; i < 4 * part + 4; i++) {
                u64 draw = finish(z + i * GAMMA);
                set_bit(bits, 1u << (2 * i), (u32)draw, masks.threshold);
                set_bit(bits, 2u << (2 * i), (u32)(draw >> 32), masks.threshold);
            }
        }
    }
    if (draws > 8) {
        // The second element of this draw is the 18th, and never wanted.
        set_bit(bits, 1u << 16, (u32)finish(z + 8 * GAMMA), masks.threshold);
    }
    return bits >> odd;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// Places.

// The parts of a row in shared memory are exchanged, so that matrices are loaded without bank conflicts.
DEVICE u32 swizzle(u32 row) { return HEAD_DIM >= 64 ? row & 7 : row >> 1 & 3; }

// What a lane of a warp holds of a matrix, and where it reads.
struct Lane {
    u32 lane;
    // Row (and row + 8) of an accumulator, and half its column.
    u32 row, column;
    // The byte of a tile from which 16 x 16 numbers are loaded: rows first (a left factor, or a transposed right one).
    u32 by_row;
    // Columns first (a right factor whose rows lie in memory as columns).
    u32 by_column;
};

DEVICE Lane lane_of(u32 lane) {
    Lane at;
    at.lane = lane;
    at.row = lane >> 2;
    at.column = lane & 3;
    u32 turn = swizzle(lane & 7);
    at.by_row = ((lane >> 3 & 1) * 8 + (lane & 7)) * ROW_BYTES + ((lane >> 4 ^ turn) << 4);
    at.by_column = ((lane >> 4) * 8 + (lane & 7)) * ROW_BYTES + (((lane >> 3 & 1) ^ turn) << 4);
    return at;
}

// 16 rows of a text, the work of a warp.
struct Slot {
    // The first row of the text in the run, its length, and its number of keys.
    u32 start, length, keys;
    // The first of the 16 rows in the text.
    u32 row;
    u32 text;
    // The warp that has the first rows of the text, if the text fits into a tile.
    u32 base;
    // The first block of bits of the text, over the number of heads.
    u32 bits;

    DEVICE_MEMBER Slot(uint4 first, uint4 second)
        : start(first.x), length(first.y), keys(first.z), row(first.w), text(second.x), base(second.y), bits(second.z) {}
};

// An item of work: the first slot of a group, and a head.
struct Item {
    u32 slots, head;

    DEVICE_MEMBER Item(const u32* items, u32 place) {
        uint2 words = load_global_8(items + 2 * place);
        slots = words.x, head = words.y;
    }
};

// The number of rows from `first` on, below `end`.
DEVICE u32 rows_from(u32 first, u32 end) { return end > first ? end - first : 0; }

// Copies 16 rows of a head, with zeros for those that are not valid. Of these nothing is read.
DEVICE void load_rows(u32 to, const u16* from, u32 stride, u32 valid, const Lane& at) {
    u32 line = at.lane / CHUNKS, chunk = at.lane % CHUNKS;
    from += (u64)line * stride + 8 * chunk;
#pragma unroll
    for (u32 i = 0; i < CHUNKS / 2; i++) {
        u32 row = i * (32 / CHUNKS) + line;
        copy_async(to + row * ROW_BYTES + ((chunk ^ swizzle(row)) << 4), from + (u64)i * (32 / CHUNKS) * stride, row < valid);
    }
}

// Loads 16 rows of a head as a left factor from device memory. The order of its columns is another one than in the matrices of
// `load_matrices`, which does not change a product with another factor that is loaded so.
DEVICE void load_left(u32 (&to)[STEPS][4], const u16* from, u32 stride, u32 valid, const Lane& at) {
    const u16* line = from + (u64)at.row * stride + 8 * at.column;
#pragma unroll
    for (u32 j = 0; j < STEPS / 2; j++) {
        uint4 upper = make_uint4(0, 0, 0, 0), lower = upper;
        if (at.row < valid) upper = load_global_16(line + 32 * j);
        if (at.row + 8 < valid) lower = load_global_16(line + 8 * (u64)stride + 32 * j);
        to[2 * j][0] = upper.x, to[2 * j][1] = lower.x, to[2 * j][2] = upper.y, to[2 * j][3] = lower.y;
        to[2 * j + 1][0] = upper.z, to[2 * j + 1][1] = lower.z, to[2 * j + 1][2] = upper.w, to[2 * j + 1][3] = lower.w;
    }
}

// Writes 16 rows of a head by way of 16 rows of shared memory that no other warp uses. Rows from `live` on are 0.
DEVICE void flush(u32 area, const float (&values)[CHUNKS][4], float upper, float lower, u16* to, u32 stride, u32 valid, u32 live,
                  const Lane& at) {
    __syncwarp();
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        const float (&left)[4] = values[2 * i], (&right)[4] = values[2 * i + 1];
        u32 words[4] = {pack(left[0] * upper, left[1] * upper), pack(left[2] * lower, left[3] * lower),
                        pack(right[0] * upper, right[1] * upper), pack(right[2] * lower, right[3] * lower)};
        store_matrices(area + (at.by_row ^ i << 5), words);
    }
    __syncwarp();
    u32 line = at.lane / CHUNKS, chunk = at.lane % CHUNKS;
    u16* place = to + (u64)line * stride + 8 * chunk;
#pragma unroll
    for (u32 i = 0; i < CHUNKS / 2; i++) {
        u32 row = i * (32 / CHUNKS) + line;
        uint4 value = load_shared_16(area + row * ROW_BYTES + ((chunk ^ swizzle(row)) << 4));
        if (row >= live) value = make_uint4(0, 0, 0, 0);
        if (row < valid) store_global_16(place + (u64)i * (32 / CHUNKS) * stride, value);
    }
    __syncwarp();
}

// Whether a query and a key are farther apart than the window.
DEVICE bool apart(u32 query, u32 key, u32 window) { return key + window < query || key > query + window; }

// A block of bits is of 16 queries and 16 keys: 8 words, each with the 16 bits of a query and, above, of the query 8 places on.
#define BLOCK_BYTES 32

// The blocks of 16 queries by keys. Blocks in device memory lie by queries, behind each other, so that those of other keys are `pitch` apart.
DEVICE void keep_rows(u32 to, Masks masks, u64 first, u32 length, u32 queries, u32 keys, u32* saved, u32 pitch, u32 lane) {
    const u32 row = lane >> 1;
    for (u32 pair = 0; 16 * pair < keys; pair += 2) {
        const u32 unit = pair + (lane & 1);
        const bool wanted = 16 * unit < keys;
        u32 bits = 0;
        if (wanted && row < queries) bits = kept(masks, first + (u64)row * length + 16 * unit, keys - 16 * unit);
        bits |= shuffle_down(bits, 16) << 16;
        if (wanted && lane < 16) {
            store_shared_word(to + unit * BLOCK_BYTES + row * 4, bits);
            if (saved) saved[(u64)unit * pitch * 8 + row] = bits;
        }
    }
}

// The blocks of queries by 16 keys.
DEVICE void keep_columns(u32 to, Masks masks, u64 first, u32 length, u32 queries, u32 keys, u32 lane) {
    for (u32 query = lane; query < queries; query += 32) {
        u32 place = query / 16 * BLOCK_BYTES + query % 8 * 4 + query / 8 % 2 * 2;
        store_shared_half(to + place, kept(masks, first + (u64)query * length, keys));
    }
}

