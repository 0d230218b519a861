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

// ---------------------------------------------------------------------------------------------------------------------------------------
// The bias by distance.

// The bias of a query and a key of a head. Places beyond the longest text have any: no weight comes from there.
DEVICE float bias_at(const float* bias, u32 longest, u32 query, u32 key) {
    const int place = (int)(key + longest - 1) - (int)query;
    return __ldg(bias + min(max(place, 0), (int)(2 * longest - 2)));
}

#define BIAS_THREADS 512

#if BIAS && PASS & 1

extern "C" __global__ void __launch_bounds__(BIAS_THREADS)
    attention_spread_bias(const float* table, const u32* buckets, float* bias, u32 heads, u32 distances) {
    const u32 head = blockIdx.x;
    for (u32 place = threadIdx.x; place < distances; place += BIAS_THREADS) {
        bias[head * distances + place] = table[buckets[place] * heads + head] / SCALE;
    }
}

#endif

#if BIAS && PASS & 2

// The sums over all items of a head by distance, and of these by bucket.
extern "C" __global__ void __launch_bounds__(BIAS_THREADS)
    attention_bias_sums(const float* by_distance, const u32* items, const u32* buckets, float* by_table, u32 item_count, u32 heads,
                        u32 distances, u32 bucket_count) {
    extern __shared__ __align__(128) u8 memory[];
    float* sums = (float*)memory;
    const u32 head = blockIdx.x;
    for (u32 place = threadIdx.x; place < distances; place += BIAS_THREADS) {
        float sum = 0;
        for (u32 item = 0; item < item_count; item++) {
            if (items[2 * item + 1] == head) sum += by_distance[(u64)item * distances + place];
        }
        sums[place] = sum;
    }
    __syncthreads();
    for (u32 bucket = threadIdx.x; bucket < bucket_count; bucket += BIAS_THREADS) {
        float sum = 0;
        for (u32 place = 0; place < distances; place++) {
            if (buckets[place] == bucket) sum += sums[place];
        }
        by_table[bucket * heads + head] = sum;
    }
}

#endif

// ---------------------------------------------------------------------------------------------------------------------------------------
// Forward.

#if PASS & 1

// A tile of keys for an item.
struct Step {
    Item item;
    Slot slot;
    // Whether all warps work at one text that does not fit into a tile.
    bool alone;
    // The keys that any row of the group sees, and the tiles of them.
    u32 first, end, tile, count;

    DEVICE_MEMBER Step(const Item& item, const Slot& slot, u32 warp, u32 window) : item(item), slot(slot) {
        constexpr u32 ROWS = 16 * FORWARD_WARPS;
        alone = slot.length > ROWS;
        first = tile = 0, end = slot.keys;
#if WINDOW
        if (alone) {
            u32 top = slot.row - 16 * warp;
            first = (top > window ? top - window : 0) / 16 * 16;
            end = min(end, top + ROWS + window);
        }
#endif
        count = alone ? max((rows_from(first, end) + ROWS - 1) / ROWS, 1u) : 1;
    }
};

extern "C" __global__ void __launch_bounds__(32 * FORWARD_WARPS, 1)
    attention_forward(const u16* qkv, u16* ctx, float* lse, u32* saved, const u32* slots, const u32* starts, const u32* items,
                      const u64* seeds, const float* bias, u32 longest, u64 site, u32 heads, u32 tokens, u32 window, u32 threshold,
                      float keep) {
    constexpr u32 WARPS = FORWARD_WARPS, ROWS = 16 * WARPS, TILE = ROWS * ROW_BYTES, BLOCKS = FORWARD_BLOCKS;
    extern __shared__ __align__(128) u8 memory[];
    const u32 warp = threadIdx.x / 32;
    const Lane at = lane_of(threadIdx.x % 32);
    const u32 hidden = heads * HEAD_DIM, stride = 3 * hidden;
    const float scale = LOG2E * SCALE;

    // Shared memory: two stages of queries, keys and values, and the bits of dropout of each warp.
    const u32 stage_0 = shared_address(memory), own = warp * 16 * ROW_BYTES;
    const u32 bits = stage_0 + 6 * TILE + warp * WARPS * BLOCK_BYTES;

    auto load = [&](const Step& step, u32 stage) {
        const Slot& slot = step.slot;
        u32 row = step.alone ? step.first + step.tile * ROWS + 16 * warp : slot.row;
        u32 valid = rows_from(row, step.end);
        const u16* from = qkv + (u64)slot.start * stride + step.item.head * HEAD_DIM;
        u32 to = stage_0 + stage * 3 * TILE + own;
        if (step.tile == 0) load_rows(to, from + (u64)slot.row * stride, stride, rows_from(slot.row, slot.length), at);
        from += (u64)row * stride + hidden;
        load_rows(to + TILE, from, stride, valid, at);
        load_rows(to + 2 * TILE, from + hidden, stride, valid, at);
    };
    auto slot_of = [&](const Item& item) {
        const u32* place = slots + 8 * (item.slots + warp);
        return Slot(load_global_16(place), load_global_16(place + 4));
    };

    u32 place = starts[blockIdx.x];
    const u32 places = starts[blockIdx.x + 1];
    if (place == places) return;
    const Item start(items, place);
    Step step(start, slot_of(start), warp, window);
    load(step, 0);
    copy_commit();
    Item item_ahead(items, min(++place, places - 1));
    Slot ahead = slot_of(item_ahead);

    u32 q[STEPS][4];
    float out[CHUNKS][4];
    float largest[2], sum[2];
    for (u32 stage = 0;; stage ^= 1) {
        // Loads the next step.
        Step next = step;
        bool more = true;
        if (step.tile + 1 < step.count) {
            next.tile++;
        } else {
            more = place < places;
            next = Step(item_ahead, ahead, warp, window);
            if (more) {
                item_ahead = Item(items, min(++place, places - 1));
                ahead = slot_of(item_ahead);
            }
        }
        if (more) load(next, stage ^ 1);
        copy_commit();

        const Slot& slot = step.slot;
        const u32 head = step.item.head;
        const u32 queries = rows_from(slot.row, slot.length);
        // The first key of the tile, and the number of keys.
        const u32 key_0 = step.first + step.tile * ROWS;
        const u32 limit = queries > 0 ? min(rows_from(key_0, step.end), ROWS) : 0;
#if DROPOUT
        {
            const Masks masks = {mix(seeds[slot.text], site), threshold};
            const u64 element = ((u64)head * slot.length + slot.row) * slot.length + key_0;
            u32* blocks = 0;
            const u32 chunks = (slot.length + 15) / 16;
#if SAVED
            if (slot.bits != 0xffffffff) {
                blocks = saved + 8 * ((u64)slot.bits * heads + ((u64)head * chunks + key_0 / 16) * chunks + slot.row / 16);
            }
#endif
            keep_rows(bits, masks, element, slot.length, queries, limit, blocks, chunks, at.lane);
        }
#endif
        copy_wait<1>();
        __syncthreads();
        const u32 q_tile = stage_0 + stage * 3 * TILE;
        if (step.tile == 0) {
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) load_matrices(q[i], q_tile + own + (at.by_row ^ i << 5));
#pragma unroll
            for (u32 n = 0; n < CHUNKS; n++) {
#pragma unroll
                for (u32 e = 0; e < 4; e++) out[n][e] = 0;
            }
#pragma unroll
            for (u32 r = 0; r < 2; r++) largest[r] = -INFINITY_, sum[r] = 0;
        }
        const u32 k_tile = q_tile + TILE + (step.alone ? 0 : slot.base * 16 * ROW_BYTES);
        for (u32 place = 0; place < limit; place += 16 * BLOCKS) {
#if WINDOW
            if (key_0 + place > slot.row + 15 + window || key_0 + place + 16 * BLOCKS + window <= slot.row) continue;
#endif
            const u32 k = k_tile + place * ROW_BYTES;
            const u32 rest = limit - place;
            float s[2 * BLOCKS][4];
#pragma unroll
            for (u32 b = 0; b < BLOCKS; b++) {
#if BIAS
                const float* of_head = bias + head * (2 * longest - 1);
#endif
#pragma unroll
                for (u32 e = 0; e < 4; e++) {
#if BIAS
                    const u32 query = slot.row + at.row + e / 2 * 8, key = key_0 + place + 16 * b + 2 * at.column + e % 2;
                    s[2 * b][e] = bias_at(of_head, longest, query, key);
                    s[2 * b + 1][e] = bias_at(of_head, longest, query, key + 8);
#else
                    s[2 * b][e] = s[2 * b + 1][e] = 0;
#endif
                }
                if (16 * b < rest) {
#pragma unroll
                    for (u32 i = 0; i < STEPS; i++) {
                        u32 right[4];
                        load_matrices(right, k + b * 16 * ROW_BYTES + (at.by_column ^ i << 5));
                        multiply(s[2 * b], q[i], right[0], right[1]);
                        multiply(s[2 * b + 1], q[i], right[2], right[3]);
                    }
                }
            }
            if (rest < 16 * BLOCKS) {
#pragma unroll
                for (u32 n = 0; n < 2 * BLOCKS; n++) {
                    u32 place = 8 * n + 2 * at.column;
                    if (place >= rest) s[n][0] = s[n][2] = -INFINITY_;
                    if (place + 1 >= rest) s[n][1] = s[n][3] = -INFINITY_;
                }
            }
#if WINDOW
            if (key_0 + place + window < slot.row + 15 || key_0 + place + 16 * BLOCKS - 1 > slot.row + window) {
#pragma unroll
                for (u32 n = 0; n < 2 * BLOCKS; n++) {
#pragma unroll
                    for (u32 e = 0; e < 4; e++) {
                        u32 key = key_0 + place + 8 * n + 2 * at.column + e % 2;
                        if (apart(slot.row + at.row + e / 2 * 8, key, window)) s[n][e] = -INFINITY_;
                    }
                }
            }
#endif
            // NaN may be passed over here. The exponential finds it.
            float less[2], change[2];
#pragma unroll
            for (u32 r = 0; r < 2; r++) {
                float most = fmaxf(s[0][2 * r], s[0][2 * r + 1]);
#pragma unroll
                for (u32 n = 1; n < 2 * BLOCKS; n++) most = fmaxf(most, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
                most = fmaxf(most, shuffle_xor(most, 1));
                most = fmaxf(most, shuffle_xor(most, 2));
                most = fmaxf(most, largest[r]);
                // Without any key so far every exponential is 0.
                less[r] = most == -INFINITY_ ? 0 : most * scale;
                change[r] = exp2_(largest[r] * scale - less[r]);
                largest[r] = most;
                sum[r] *= change[r];
            }
            if (place + step.tile > 0) {
#pragma unroll
                for (u32 n = 0; n < CHUNKS; n++) {
#pragma unroll
                    for (u32 e = 0; e < 4; e++) out[n][e] *= change[e / 2];
                }
            }
#pragma unroll
            for (u32 b = 0; b < BLOCKS; b++) {
                if (16 * b >= rest) break;
#if DROPOUT
                const u32 word = load_shared(bits + (place / 16 + b) * BLOCK_BYTES + at.row * 4) >> (2 * at.column);
#endif
                u32 weights[4];
#pragma unroll
                for (u32 n = 0; n < 2; n++) {
                    float p[4];
#pragma unroll
                    for (u32 e = 0; e < 4; e++) {
                        p[e] = exp2_(s[2 * b + n][e] * scale - less[e / 2]);
                        sum[e / 2] += p[e];
#if DROPOUT
                        if (!(word & 1u << (e / 2 * 16 + 8 * n + e % 2))) p[e] = 0;
#endif
                    }
                    weights[2 * n] = pack(p[0], p[1]);
                    weights[2 * n + 1] = pack(p[2], p[3]);
                }
#pragma unroll
                for (u32 i = 0; i < STEPS; i++) {
                    u32 right[4];
                    load_transposed(right, k + TILE + b * 16 * ROW_BYTES + (at.by_row ^ i << 5));
                    multiply(out[2 * i], weights, right[0], right[1]);
                    multiply(out[2 * i + 1], weights, right[2], right[3]);
                }
            }
        }
        if (step.tile + 1 == step.count && queries > 0) {
            float factor[2];
            u32 live = slot.keys > 0 ? 16 : 0;
#if WINDOW
            // The rows below this one see no key.
            if (slot.keys > 0) live = rows_from(slot.row, slot.keys + window);
#endif
#pragma unroll
            for (u32 r = 0; r < 2; r++) {
                sum[r] += shuffle_xor(sum[r], 1);
                sum[r] += shuffle_xor(sum[r], 2);
                factor[r] = keep / sum[r];
                u32 row = at.row + 8 * r;
                float value = (largest[r] * scale + log2_(sum[r])) * LN2;
                if (sum[r] == 0) value = NAN_;
                if (row >= live) value = -INFINITY_;
                if (at.column == 0 && row < queries) lse[(u64)head * tokens + slot.start + slot.row + row] = value;
            }
            u16* to = ctx + (u64)(slot.start + slot.row) * hidden + head * HEAD_DIM;
            flush(q_tile + own, out, factor[0], factor[1], to, hidden, queries, live, at);
        }
        if (!more) return;
        __syncthreads();
        step = next;
    }
}

#endif

// ---------------------------------------------------------------------------------------------------------------------------------------
// Backward.

#if PASS & 6

// 16 keys, the gradients by them and by their values.
struct Keys {
    u32 k[STEPS][4], v[STEPS][4];
    float dk[CHUNKS][4], dv[CHUNKS][4];
    // What scores start from: minus infinity where there is no key.
    float open[4];
};

// The statistics of two neighbouring queries lie side by side, 32 bytes, as they are used: what is added to their scores by base 2, and minus
// the sums of weights times the gradient by them, twice.
#define STATISTICS 16

DEVICE void store_statistics(u32 to, u32 query, float less, float constant) {
    to += query / 2 * 32 + query % 2 * 4;
    store_shared(to, less);
    store_shared(to + 16, constant);
    store_shared(to + 24, constant);
}

// What is added to the scores of a query by base 2: minus their log-sum-exp, plus the logarithm of the scale of kept weights.
DEVICE float less_of(float lse, float log_keep) { return lse == -INFINITY_ ? lse : log_keep - LOG2E * lse; }

// Reads the keys and their values, and clears the gradients.
DEVICE void begin(Keys& own, u32 k, u32 v, u32 valid, const Lane& at) {
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        if (HEAD_DIM <= 64) load_matrices(own.k[i], k + (at.by_row ^ i << 5));
        load_matrices(own.v[i], v + (at.by_row ^ i << 5));
    }
    own.open[0] = own.open[1] = at.row < valid ? 0 : -INFINITY_;
    own.open[2] = own.open[3] = at.row + 8 < valid ? 0 : -INFINITY_;
#pragma unroll
    for (u32 n = 0; n < CHUNKS; n++) {
#pragma unroll
        for (u32 e = 0; e < 4; e++) own.dk[n][e] = own.dv[n][e] = 0;
    }
}

// 16 keys and 16 queries: adds to the gradients by keys and values, and returns the gradient by the scores, keys by queries.
DEVICE void differentiate(Keys& own, u32 (&d_scores)[4], u32 k, u32 q, u32 d_out, u32 statistics, u32 bits, u32 query, u32 key,
                          u32 window, const float* bias, u32 longest, const Lane& at) {
    const float scale = LOG2E * SCALE;
    float s[2][4], d[2][4], less[2][2], constant[2][4];
#pragma unroll
    for (u32 n = 0; n < 2; n++) {
        u32 two = statistics + (4 * n + at.column) * 32;
        load_shared_pair(less[n], two);
        uint4 words = load_shared_16(two + 16);
        constant[n][0] = __int_as_float(words.x), constant[n][1] = __int_as_float(words.y);
        constant[n][2] = __int_as_float(words.z), constant[n][3] = __int_as_float(words.w);
    }
#if BIAS
    float start[2][4];
#pragma unroll
    for (u32 n = 0; n < 2; n++) {
#pragma unroll
        for (u32 e = 0; e < 4; e++) {
            const u32 column = query + 8 * n + 2 * at.column + e % 2;
            start[n][e] = own.open[e] + bias_at(bias, longest, column, key + at.row + e / 2 * 8);
        }
    }
    float(&left_start)[4] = start[0], (&right_start)[4] = start[1];
#else
    float(&left_start)[4] = own.open, (&right_start)[4] = own.open;
#endif
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        u32 right[4];
        load_matrices(right, q + (at.by_column ^ i << 5));
#if HEAD_DIM > 64
        load_matrices(own.k[i], k + (at.by_row ^ i << 5));
#endif
        multiply_from(s[0], own.k[i], right[0], right[1], i == 0 ? left_start : s[0]);
        multiply_from(s[1], own.k[i], right[2], right[3], i == 0 ? right_start : s[1]);
    }
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        u32 right[4];
        load_matrices(right, d_out + (at.by_column ^ i << 5));
        multiply_from(d[0], own.v[i], right[0], right[1], i == 0 ? constant[0] : d[0]);
        multiply_from(d[1], own.v[i], right[2], right[3], i == 0 ? constant[1] : d[1]);
    }
#if WINDOW
    const bool edge = key + window < query + 15 || key + 15 > query + window;
#endif
#if DROPOUT
    u32 words[2];
    load_shared_words(words, bits + 8 * at.column);
    words[0] >>= at.row, words[1] >>= at.row;
#endif
    u32 weights[4];
#pragma unroll
    for (u32 n = 0; n < 2; n++) {
        float p[4];
#pragma unroll
        for (u32 e = 0; e < 4; e++) {
            p[e] = exp2_(s[n][e] * scale + less[n][e % 2]);
#if WINDOW
            if (edge && apart(query + 8 * n + 2 * at.column + e % 2, key + at.row + e / 2 * 8, window)) p[e] = 0;
#endif
            float change = d[n][e];
#if DROPOUT
            const bool keep = words[e % 2] & 1u << (n * 16 + e / 2 * 8);
            if (!keep) change = constant[n][e % 2];
#endif
            d[n][e] = p[e] * change;
#if DROPOUT
            if (!keep) p[e] = 0;
#endif
        }
        weights[2 * n] = pack(p[0], p[1]);
        weights[2 * n + 1] = pack(p[2], p[3]);
        d_scores[2 * n] = pack(d[n][0], d[n][1]);
        d_scores[2 * n + 1] = pack(d[n][2], d[n][3]);
    }
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        u32 right[4];
        load_transposed(right, d_out + (at.by_row ^ i << 5));
        multiply(own.dv[2 * i], weights, right[0], right[1]);
        multiply(own.dv[2 * i + 1], weights, right[2], right[3]);
    }
#pragma unroll
    for (u32 i = 0; i < STEPS; i++) {
        u32 right[4];
        load_transposed(right, q + (at.by_row ^ i << 5));
        multiply(own.dk[2 * i], d_scores, right[0], right[1]);
        multiply(own.dk[2 * i + 1], d_scores, right[2], right[3]);
    }
}

#endif

#if PASS & 2

extern "C" __global__ void __launch_bounds__(32 * BACKWARD_WARPS, 1)
    attention_backward(const u16* qkv, const u16* ctx, const u16* d_ctx, const float* lse, u16* d_qkv, const u32* saved,
                       const u32* slots, const u32* starts, const u32* items, float* by_distance, const u64* seeds, const float* bias,
                       u32 longest, u64 site, u32 heads, u32 tokens, u32 window, u32 threshold, float log_keep) {
    constexpr u32 WARPS = BACKWARD_WARPS, ROWS = 16 * WARPS, TILE = ROWS * ROW_BYTES;
    // A row of gradients by scores is of one key, and has the queries of a tile.
    constexpr u32 SCORES_ROW = 2 * ROWS + 16, SCORES = 16 * (SCORES_ROW > 2 * ROW_BYTES ? SCORES_ROW : 2 * ROW_BYTES);
    extern __shared__ __align__(128) u8 memory[];
    const u32 warp = threadIdx.x / 32;
    const u32 hidden = heads * HEAD_DIM, stride = 3 * hidden;

    // Shared memory: queries; gradients by the result; values; two stages of keys; gradients by scores; statistics; and of each warp bits of
    // dropout and two slots.
    const u32 own_rows = warp * 16 * ROW_BYTES;
    const u32 q_rows = shared_address(memory);
    const u32 d_rows = q_rows + TILE;
    const u32 v_rows = d_rows + TILE;
    const u32 k_stages = v_rows + TILE;
    const u32 scores = k_stages + 2 * TILE, own_scores = scores + warp * SCORES;
    const u32 statistics = scores + WARPS * SCORES;
    const u32 bits = statistics + ROWS * STATISTICS + warp * WARPS * BLOCK_BYTES;
    const u32 own_slots = statistics + ROWS * STATISTICS + WARPS * WARPS * BLOCK_BYTES + warp * 64;
#if WINDOW
    // Chunks farther apart than this have no pair within the window.
    const u32 reach = (window + 15) / 16;
#endif

    // What a lane reads and writes is found anew for each phase: what would stay in registers leaves too few for the products.
    auto fetch = [&](const Item& item, u32 stage) {
        const u32 lane = lane_now();
        if (lane < 2) copy_async(own_slots + 32 * stage + 16 * lane, slots + 8 * (item.slots + warp) + 4 * lane, true);
        copy_commit();
    };
    auto slot_at = [&](u32 stage) {
        u32 place = own_slots + 32 * stage;
        return Slot(load_shared_16(place), load_shared_16(place + 16));
    };
    // Each warp loads the rows that it works at. The results come later, behind the place where a gradient leaves through the scores.
    const u32 results = own_scores + 16 * ROW_BYTES;
    auto load_results = [&](const Slot& slot, u32 head) {
        const Lane at = lane_of(lane_now());
        const u16* from = ctx + (u64)(slot.start + slot.row) * hidden + head * HEAD_DIM;
        load_rows(results, from, hidden, rows_from(slot.row, slot.length), at);
        copy_commit();
    };
    float its;
    auto load = [&](const Slot& slot, u32 head, u32 stage) {
        const Lane at = lane_of(lane_now());
        u32 valid = rows_from(slot.row, slot.length), live = rows_from(slot.row, slot.keys);
        const u16* from = qkv + (u64)(slot.start + slot.row) * stride + head * HEAD_DIM;
        const u64 place = (u64)(slot.start + slot.row) * hidden + head * HEAD_DIM;
        load_rows(q_rows + own_rows, from, stride, valid, at);
        load_rows(d_rows + own_rows, d_ctx + place, hidden, valid, at);
        load_rows(v_rows + own_rows, from + 2 * hidden, stride, live, at);
        load_rows(k_stages + stage * TILE + own_rows, from + hidden, stride, live, at);
#if DROPOUT && SAVED
        const u32 chunks = (slot.length + 15) / 16;
        const u32* blocks = saved + 8 * ((u64)slot.bits * heads + ((u64)head * chunks + slot.row / 16) * chunks);
        if (live > 0 && at.lane < 2 * chunks) copy_async(bits + 16 * at.lane, blocks + 4 * at.lane, true);
#endif
        copy_commit();
        its = -INFINITY_;
        if (at.lane < min(valid, 16u)) {
            its = lse[(u64)head * tokens + slot.start + slot.row + at.lane];
            prefetch(ctx + place + (u64)at.lane * hidden);
        }
    };

    u32 place = starts[blockIdx.x];
    const u32 places = starts[blockIdx.x + 1];
    if (place == places) return;
    Item item(items, place);
    fetch(item, 0);
    copy_wait<0>();
    __syncwarp();
    load(slot_at(0), item.head, 0);
    load_results(slot_at(0), item.head);
    Item next(items, min(++place, places - 1));
    for (u32 stage = 0;; stage ^= 1) {
        const bool more = place < places;
        const u32 k_rows = k_stages + stage * TILE;
        {
            const Lane at = lane_of(lane_now());
            const Slot slot = slot_at(stage);
            const u32 live = rows_from(slot.row, slot.keys);
#if DROPOUT && !SAVED
            if (live > 0) {
                const Masks masks = {mix(seeds[slot.text], site), threshold};
                const u64 element = (u64)item.head * slot.length * slot.length + slot.row;
                keep_columns(bits, masks, element, slot.length, slot.length, live, at.lane);
            }
#endif
            copy_wait<0>();
            __syncwarp();
            // The products of the result with the gradient by it are the diagonal of a product of matrices.
            float sums[2][4] = {};
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) {
                u32 left[4], right[4];
                load_matrices(left, results + (at.by_row ^ i << 5));
                load_matrices(right, d_rows + own_rows + (at.by_column ^ i << 5));
                multiply(sums[0], left, right[0], right[1]);
                multiply(sums[1], left, right[2], right[3]);
            }
            float less = less_of(its, log_keep);
            float upper = __shfl_sync(0xffffffff, less, at.row), lower = __shfl_sync(0xffffffff, less, at.row + 8);
            if (at.column == at.row / 2) {
                const float over_keep = exp2_(-log_keep);
                u32 to = statistics + 16 * warp * STATISTICS;
                store_statistics(to, at.row, upper, -over_keep * (at.row % 2 ? sums[0][1] : sums[0][0]));
                store_statistics(to, at.row + 8, lower, -over_keep * (at.row % 2 ? sums[1][3] : sums[1][2]));
            }
            if (more) fetch(next, stage ^ 1);
            __syncthreads();
            Keys own;
            begin(own, k_rows + own_rows, v_rows + own_rows, live, at);
            if (live > 0) {
                // Chunks of queries, by their number in the text.
                u32 chunk = 0, end = (slot.length + 15) / 16;
#if WINDOW
                chunk = rows_from(reach, slot.row / 16);
                end = min(end, slot.row / 16 + reach + 1);
#endif
                const u32 base = slot.base;
                const u32 to = own_scores + ((at.lane >> 3 & 1) * 8 + (at.lane & 7)) * SCORES_ROW + (at.lane >> 4) * 16;
                for (; chunk < end; chunk++) {
                    u32 place = base + chunk, row = place * 16;
                    u32 d_scores[4];
                    differentiate(own, d_scores, k_rows + own_rows, q_rows + row * ROW_BYTES, d_rows + row * ROW_BYTES,
                                  statistics + row * STATISTICS, bits + chunk * BLOCK_BYTES, 16 * chunk, slot.row, window,
                                  bias + item.head * (2 * longest - 1), longest, at);
                    store_matrices(to + place * 32, d_scores);
                }
            }
            __syncthreads();
            // No warp that works at the item reads queries or gradients any more. The slot is read again, which costs less than registers.
            const Slot again = slot_at(stage);
            const Lane now = lane_of(lane_now());
            const u32 valid = rows_from(again.row, again.length);
            if (valid > 0) {
                u16* to = d_qkv + (u64)(again.start + again.row) * stride + item.head * HEAD_DIM + hidden;
                u32 keys = rows_from(again.row, again.keys);
                flush(q_rows + own_rows, own.dk, SCALE, SCALE, to, stride, valid, keys, now);
                flush(d_rows + own_rows, own.dv, 1, 1, to + hidden, stride, valid, keys, now);
            }
        }
        const Item after(items, min(place + 1, places - 1));
        if (more) {
            copy_wait<0>();
            __syncwarp();
            load(slot_at(stage ^ 1), next.head, stage ^ 1);
        }

        const Lane at = lane_of(lane_now());
        const Slot slot = slot_at(stage);
        const u32 valid = rows_from(slot.row, slot.length);
        float dq[CHUNKS][4] = {};
        if (valid > 0) {
            u32 chunk = 0, end = (slot.keys + 15) / 16;
#if WINDOW
            chunk = rows_from(reach, slot.row / 16);
            end = min(end, slot.row / 16 + reach + 1);
#endif
            const u32 base = slot.base;
            const u32 from = scores + ((at.lane >> 4) * 8 + (at.lane & 7)) * SCORES_ROW + warp * 32 + (at.lane >> 3 & 1) * 16;
            for (; chunk < end; chunk++) {
                u32 place = base + chunk;
                u32 left[4];
                load_transposed(left, from + place * SCORES);
#pragma unroll
                for (u32 i = 0; i < STEPS; i++) {
                    u32 right[4];
                    load_transposed(right, k_rows + place * 16 * ROW_BYTES + (at.by_row ^ i << 5));
                    multiply(dq[2 * i], left, right[0], right[1]);
                    multiply(dq[2 * i + 1], left, right[2], right[3]);
                }
            }
        }
#if BIAS
        // A thread adds up the gradient by the scores of a distance. `place` is the item behind this one.
        if (threadIdx.x < 2 * longest - 1) {
            const int distance = (int)threadIdx.x - (int)(longest - 1);
            float sum = 0;
            for (u32 w = 0; w < WARPS; w++) {
                const u32 other = own_slots + (w - warp) * 64 + 32 * stage;
                const Slot keys(load_shared_16(other), load_shared_16(other + 16));
                const u32 count = min(rows_from(keys.row, keys.keys), 16u);
                const u32 row_0 = scores + w * SCORES + keys.base * 32;
                // Without branches, so that the loads go side by side.
#pragma unroll
                for (u32 row = 0; row < 16; row++) {
                    const u32 query = (u32)((int)(keys.row + row) - distance);
                    const bool here = row < count && query < keys.length;
                    const float change = load_shared_half(row_0 + (here ? row * SCORES_ROW + query * 2 : 0));
                    sum += here ? change : 0;
                }
            }
            by_distance[(u64)(place - 1) * (2 * longest - 1) + threadIdx.x] = sum;
        }
#endif
        __syncthreads();
        if (more) load_results(slot_at(stage ^ 1), next.head);
        if (valid > 0) {
            u16* to = d_qkv + (u64)(slot.start + slot.row) * stride + item.head * HEAD_DIM;
            flush(own_scores, dq, SCALE, SCALE, to, stride, valid, 16, at);
        }
        if (!more) return;
        item = next, next = after, place++;
    }
}

#endif

#if PASS & 4

// The gradients by queries.
extern "C" __global__ void __launch_bounds__(32 * LONG_WARPS, LONG_CTAS)
    attention_backward_queries(const u16* qkv, const u16* ctx, const u16* d_ctx, const float* lse, float* constants, u16* d_qkv,
                               const u32* slots, const u64* seeds, const float* bias, u32 longest, u64 site, u32 heads, u32 tokens,
                               u32 window, u32 threshold, float log_keep) {
    constexpr u32 WARPS = LONG_WARPS, ROWS = 16 * WARPS, TILE = ROWS * ROW_BYTES;
    extern __shared__ __align__(128) u8 memory[];
    const u32 warp = threadIdx.x / 32;
    const u32 head = blockIdx.x % heads;
    const u32* place = slots + 8 * (blockIdx.x / heads * WARPS + warp);
    const Slot slot(load_global_16(place), load_global_16(place + 4));
    const Lane at = lane_of(threadIdx.x % 32);
    const u32 hidden = heads * HEAD_DIM, stride = 3 * hidden, column = head * HEAD_DIM;
    const u32 start = slot.start, length = slot.length, row_0 = slot.row;

    // Shared memory: the queries and the gradients of each warp, two stages of keys and values, and the bits of dropout of each warp.
    const u32 own = shared_address(memory) + warp * 16 * ROW_BYTES;
    const u32 stage_0 = shared_address(memory) + 2 * TILE;
    const u32 bits = stage_0 + 4 * TILE + warp * WARPS * BLOCK_BYTES;

    u32 first = 0, end = slot.keys;
#if WINDOW
    const u32 top = row_0 - 16 * warp;
    first = (top > window ? top - window : 0) / 16 * 16;
    end = min(end, top + ROWS + window);
#endif
    const u32 count = (rows_from(first, end) + ROWS - 1) / ROWS;
    const u32 queries = rows_from(row_0, length);

    auto load = [&](u32 tile) {
        u32 row = first + tile * ROWS + 16 * warp;
        u32 valid = rows_from(row, slot.keys);
        u32 to = stage_0 + (tile % 2) * 2 * TILE + warp * 16 * ROW_BYTES;
        const u16* from = qkv + (u64)(start + row) * stride + hidden + column;
        load_rows(to, from, stride, valid, at);
        load_rows(to + TILE, from + hidden, stride, valid, at);
    };
    load_rows(own, qkv + (u64)(start + row_0) * stride + column, stride, queries, at);
    load_rows(own + TILE, d_ctx + (u64)(start + row_0) * hidden + column, hidden, queries, at);
    if (count > 0) load(0);
    copy_commit();
    if (count > 1) load(1);
    copy_commit();

#if DROPOUT
    const Masks masks = {mix(seeds[slot.text], site), threshold};
    const u64 element = ((u64)head * length + row_0) * length;
#endif
    const float scale = LOG2E * SCALE;
    u32 q[STEPS][4], d_out[STEPS][4];
    float dq[CHUNKS][4] = {};
    float less[2], constant[2];
    {
        const u64 place = (u64)(start + row_0) * hidden + column;
        load_left(d_out, d_ctx + place, hidden, queries, at);
        load_left(q, ctx + place, hidden, queries, at);
        // The products of the result with the gradient by it are the diagonals of products of matrices: a left factor of 8 rows is laid out as
        // a right one is.
        float upper[4] = {}, lower[4] = {};
#pragma unroll
        for (u32 i = 0; i < STEPS; i++) {
            multiply(upper, q[i], d_out[i][0], d_out[i][2]);
            multiply(lower, q[i], d_out[i][1], d_out[i][3]);
        }
        const float over_keep = exp2_(-log_keep);
        const u32 diagonal = (at.lane & 28) + at.row / 2;
#pragma unroll
        for (u32 r = 0; r < 2; r++) {
            float sum = r == 0 ? (at.row % 2 ? upper[1] : upper[0]) : (at.row % 2 ? lower[3] : lower[2]);
            u32 row = at.row + 8 * r;
            u64 place = (u64)head * tokens + start + row_0 + row;
            constant[r] = -__shfl_sync(0xffffffff, sum, diagonal) * over_keep;
            if (row < queries && at.column == 0) constants[place] = constant[r];
            less[r] = row < queries ? less_of(lse[place], log_keep) : -INFINITY_;
        }
    }

    for (u32 tile = 0; tile < count; tile++) {
        const u32 key_0 = first + tile * ROWS;
        const u32 limit = queries > 0 ? min(rows_from(key_0, end), ROWS) : 0;
#if DROPOUT
        keep_rows(bits, masks, element + key_0, length, queries, limit, 0, 0, at.lane);
#endif
        copy_wait<1>();
        __syncthreads();
        if (tile == 0) {
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) {
                load_matrices(q[i], own + (at.by_row ^ i << 5));
                load_matrices(d_out[i], own + TILE + (at.by_row ^ i << 5));
            }
        }
        for (u32 place = 0; place < limit; place += 16) {
#if WINDOW
            if (key_0 + place > row_0 + 15 + window || key_0 + place + 16 + window <= row_0) continue;
            const bool edge = key_0 + place + window < row_0 + 15 || key_0 + place + 15 > row_0 + window;
#endif
            const u32 k = stage_0 + (tile % 2) * 2 * TILE + place * ROW_BYTES;
            float s[2][4], d[2][4];
#pragma unroll
            for (u32 n = 0; n < 2; n++) {
                u32 key = place + 8 * n + 2 * at.column;
                s[n][0] = s[n][2] = key < limit ? 0 : -INFINITY_;
                s[n][1] = s[n][3] = key + 1 < limit ? 0 : -INFINITY_;
#pragma unroll
                for (u32 e = 0; e < 4; e++) d[n][e] = constant[e / 2];
            }
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) {
                u32 right[4];
                load_matrices(right, k + (at.by_column ^ i << 5));
                multiply(s[0], q[i], right[0], right[1]);
                multiply(s[1], q[i], right[2], right[3]);
            }
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) {
                u32 right[4];
                load_matrices(right, k + TILE + (at.by_column ^ i << 5));
                multiply(d[0], d_out[i], right[0], right[1]);
                multiply(d[1], d_out[i], right[2], right[3]);
            }
#if DROPOUT
            const u32 word = load_shared(bits + place / 16 * BLOCK_BYTES + at.row * 4) >> (2 * at.column);
#endif
            u32 left[4];
#pragma unroll
            for (u32 n = 0; n < 2; n++) {
#pragma unroll
                for (u32 e = 0; e < 4; e++) {
                    float p = exp2_(s[n][e] * scale + less[e / 2]);
#if WINDOW
                    if (edge && apart(row_0 + at.row + e / 2 * 8, key_0 + place + 8 * n + 2 * at.column + e % 2, window)) p = 0;
#endif
                    float change = d[n][e];
#if DROPOUT
                    if (!(word & 1u << (e / 2 * 16 + 8 * n + e % 2))) change = constant[e / 2];
#endif
                    d[n][e] = p * change;
                }
                left[2 * n] = pack(d[n][0], d[n][1]);
                left[2 * n + 1] = pack(d[n][2], d[n][3]);
            }
#pragma unroll
            for (u32 i = 0; i < STEPS; i++) {
                u32 right[4];
                load_transposed(right, k + (at.by_row ^ i << 5));
                multiply(dq[2 * i], left, right[0], right[1]);
                multiply(dq[2 * i + 1], left, right[2], right[3]);
            }
        }
        if (tile + 1 < count) {
            __syncthreads();
            if (tile + 2 < count) load(tile + 2);
            copy_commit();
        }
    }
    if (queries == 0) return;
    flush(own, dq, SCALE, SCALE, d_qkv + (u64)(start + row_0) * stride + column, stride, queries, 16, at);
}

// The gradients by keys and values, after those by queries.
extern "C" __global__ void __launch_bounds__(32 * LONG_WARPS, LONG_CTAS)
    attention_backward_keys(const u16* qkv, const u16* d_ctx, const float* lse, const float* constants, u16* d_qkv, const u32* slots,
                            const u64* seeds, const float* bias, u32 longest, u64 site, u32 heads, u32 tokens, u32 window,
                            u32 threshold, float log_keep) {
    constexpr u32 WARPS = LONG_WARPS, ROWS = 16 * WARPS, TILE = ROWS * ROW_BYTES;
    extern __shared__ __align__(128) u8 memory[];
    const u32 warp = threadIdx.x / 32;
    const u32 head = blockIdx.x % heads;
    const u32* place = slots + 8 * (blockIdx.x / heads * WARPS + warp);
    const Slot slot(load_global_16(place), load_global_16(place + 4));
    const Lane at = lane_of(threadIdx.x % 32);
    const u32 hidden = heads * HEAD_DIM, stride = 3 * hidden, column = head * HEAD_DIM;
    const u32 start = slot.start, length = slot.length, key = slot.row, top = key - 16 * warp;
    const u32 live = rows_from(key, slot.keys);

    // Shared memory: the keys and the values of each warp; two stages of queries, gradients by the result, and statistics; bits of dropout of each warp.
    constexpr u32 STAGE = 2 * TILE + STATISTICS * ROWS;
    const u32 own_rows = shared_address(memory) + warp * 16 * ROW_BYTES;
    const u32 stage_0 = shared_address(memory) + 2 * TILE;
    const u32 bits = stage_0 + 2 * STAGE + warp * WARPS * BLOCK_BYTES;

    // The queries that see any key of the tile.
    u32 first = 0, end = slot.keys > top ? length : 0;
#if WINDOW
    first = (top > window ? top - window : 0) / 16 * 16;
    end = min(end, top + ROWS + window);
#endif
    const u32 count = (rows_from(first, end) + ROWS - 1) / ROWS;

    auto load = [&](u32 tile) {
        u32 row = first + tile * ROWS + 16 * warp;
        u32 valid = rows_from(row, length);
        u32 stage = stage_0 + (tile % 2) * STAGE, to = stage + warp * 16 * ROW_BYTES;
        load_rows(to, qkv + (u64)(start + row) * stride + column, stride, valid, at);
        load_rows(to + TILE, d_ctx + (u64)(start + row) * hidden + column, hidden, valid, at);
        if (at.lane < 16) {
            u64 place = (u64)head * tokens + start + row + at.lane;
            bool here = at.lane < valid;
            float less = here ? less_of(lse[place], log_keep) : -INFINITY_;
            store_statistics(stage + 2 * TILE, 16 * warp + at.lane, less, here ? constants[place] : 0);
        }
    };
    load_rows(own_rows, qkv + (u64)(start + key) * stride + hidden + column, stride, live, at);
    load_rows(own_rows + TILE, qkv + (u64)(start + key) * stride + 2 * hidden + column, stride, live, at);
    if (count > 0) load(0);
    copy_commit();
    if (count > 1) load(1);
    copy_commit();

#if DROPOUT
    const Masks masks = {mix(seeds[slot.text], site), threshold};
    const u64 element = (u64)head * length * length + key;
#endif
    Keys own;
    copy_wait<1>();
    __syncwarp();
    begin(own, own_rows, own_rows + TILE, live, at);

    for (u32 tile = 0; tile < count; tile++) {
        const u32 query_0 = first + tile * ROWS;
        const u32 queries = live > 0 ? min(rows_from(query_0, end), ROWS) : 0;
#if DROPOUT
        keep_columns(bits, masks, element + (u64)query_0 * length, length, queries, live, at.lane);
#endif
        copy_wait<1>();
        __syncthreads();
        const u32 stage = stage_0 + (tile % 2) * STAGE;
        for (u32 place = 0; place < queries; place += 16) {
            const u32 query = query_0 + place;
#if WINDOW
            if (key > query + 15 + window || key + 16 + window <= query) continue;
#endif
            u32 d_scores[4];
            differentiate(own, d_scores, own_rows, stage + place * ROW_BYTES, stage + TILE + place * ROW_BYTES,
                          stage + 2 * TILE + place * STATISTICS, bits + place / 16 * BLOCK_BYTES, query, key, window, bias, longest, at);
        }
        if (tile + 1 < count) {
            __syncthreads();
            if (tile + 2 < count) load(tile + 2);
            copy_commit();
        }
    }
    const u32 written = rows_from(key, length);
    if (written == 0) return;
    u16* gradient = d_qkv + (u64)(start + key) * stride + column;
    flush(own_rows, own.dk, SCALE, SCALE, gradient + hidden, stride, written, live, at);
    flush(own_rows, own.dv, 1, 1, gradient + 2 * hidden, stride, written, live, at);
}

#endif
