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

