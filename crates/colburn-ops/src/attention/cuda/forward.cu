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

