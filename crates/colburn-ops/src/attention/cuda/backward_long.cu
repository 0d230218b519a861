// The backward pass of long texts.

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
