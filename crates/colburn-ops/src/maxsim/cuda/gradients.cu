// The gradients of MaxSim: each maximum gives the gradient by its score to the two tokens that it is the product of. Nothing is multiplied again.
// This text stands behind rows.cu.

// Warps of a block.
#define WARPS 8
// Columns of a vector that a block takes, four a thread of a warp.
#define COLUMNS 128

// The gradient by the rows of the queries, f32 [values, dim]: document tokens, gathered. A warp has a group of 8 rows, and takes the documents in
// their order. Rows of `out` that no row was made from are left alone.
// owners  u32 [groups]: the query of each group
extern "C" __global__ void __launch_bounds__(32 * WARPS) maxsim_by_queries(
    const u16* documents, const u32* document_starts, const float* document_scales, const u32* query_tokens, const u32* query_starts,
    const u32* owners, const u32* records, const u16* best, const float* gradient, float* out, u32 groups, u32 columns, u32 group, u32 dim
) {
    const u32 own = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (own >= groups) return;
    const u32 part = blockIdx.y * COLUMNS + 4 * lane, query = owners[own];
    const u64 base = (u64)records[2 * query] + (own - query_starts[query] / 8);
    const u32 stride = records[2 * query + 1];
    float sums[8][4] = {};
    for (u32 first = 0; first < columns; first += 32) {
        // The factors and first rows of 32 documents, one a thread.
        const u32 document = (group == 0 ? 0 : query * group) + first + lane;
        float factors = 0.0f;
        u32 starts = 0;
        if (first + lane < columns) {
            starts = document_starts[document];
            if (starts < document_starts[document + 1]) {
                factors = gradient[(u64)query * columns + first + lane] * document_scales[document];
            }
        }
        const u32 count = min(columns - first, 32u);
        for (u32 i = 0; i < count; ++i) {
            const float factor = __shfl_sync(0xffffffffu, factors, i);
            const u32 start = __shfl_sync(0xffffffffu, starts, i);
            if (factor == 0.0f) continue;
            const uint4 eight = *reinterpret_cast<const uint4*>(best + (base + (u64)(first + i) * stride) * 8);
            const u32 words[4] = {eight.x, eight.y, eight.z, eight.w};
            if (part < DIM) {
#pragma unroll
                for (int row = 0; row < 8; ++row) {
                    const u32 token = words[row / 2] >> row % 2 * 16 & 0xffffu;
                    if (token != NO_TOKEN) add_part(sums[row], documents + (u64)(start + token) * ROW, part, factor);
                }
            }
        }
    }
#pragma unroll
    for (int row = 0; row < 8; ++row) {
        const u32 token = query_tokens[own * 8 + row];
        if (token != NONE) store_part(out + (u64)token * dim, part, dim, sums[row]);
    }
}

// Maxima that are sorted at a time, and those of a warp.
#define SORTED 4096
#define OWN (SORTED / WARPS)

// The gradient by the rows of the documents, f32 [values, dim]: query tokens, scattered. A block has a document. It sorts the maxima over it,
// SORTED at a time, by the token of the document that they are the product of, by counting; those of one token stay in the order of the query
// tokens, and are added in it. Rows of `out` that no row was made from are left alone.
// window: the tokens of a document that maxima are sorted by at a time. Shared memory: 2 WARPS * window + 8 SORTED + 4 WARPS * COLUMNS + 64.
extern "C" __global__ void __launch_bounds__(32 * WARPS) maxsim_by_documents(
    const u16* queries, const u32* query_starts, const float* query_scales, const u32* owners, const u32* document_tokens,
    const u32* document_starts, const u32* records, const u16* best, const float* gradient, float* out, u32 rows, u32 columns, u32 group,
    u32 dim, u32 window
) {
    extern __shared__ __align__(128) unsigned char memory[];
    float* factors = reinterpret_cast<float*>(memory);
    u32* order = reinterpret_cast<u32*>(factors + SORTED);
    // A sum for each warp, of the token that its first maxima share with the warp before.
    float* edges = reinterpret_cast<float*>(order + SORTED);
    u32* edge_tokens = reinterpret_cast<u32*>(edges + WARPS * COLUMNS);
    u32* totals = edge_tokens + WARPS;
    u16* counts = reinterpret_cast<u16*>(totals + WARPS);

    const u32 document = blockIdx.x, first = document_starts[document], tokens = document_starts[document + 1] - first;
    const u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, part = blockIdx.y * COLUMNS + 4 * lane;
    if (tokens == 0) return;
    // The queries that it meets: one, or all.
    const u32 query = group == 0 ? 0 : document / group, column = group == 0 ? document : document % group;
    const u32 first_row = group == 0 ? 0 : query_starts[query], met = group == 0 ? rows : query_starts[query + 1] - first_row;
    const u16* chosen = best + ((u64)records[2 * query] + (u64)column * records[2 * query + 1]) * 8;

    for (u32 token = warp; token < tokens; token += WARPS) {
        const float nothing[4] = {};
        store_part(out + (u64)document_tokens[first + token] * dim, part, dim, nothing);
    }
    __syncthreads();
    for (u32 from = 0; from < tokens; from += window) {
        const u32 width = min(tokens - from, window);
        for (u32 start = 0; start < met; start += SORTED) {
            // The token in the window of a maximum of this warp, and its factor; none if it adds nothing.
            auto maximum = [&](u32 at, float& factor) {
                const u32 row = start + warp * OWN + at;
                u32 token = NONE;
                factor = 0.0f;
                if (row < met) {
                    token = chosen[row];
                    token = token == NO_TOKEN || token < from || token - from >= width ? NONE : token - from;
                    if (token != NONE) {
                        const u32 owner = owners[(first_row + row) / 8];
                        factor = gradient[(u64)owner * columns + column] * query_scales[owner];
                        if (factor == 0.0f) token = NONE;
                    }
                }
                return token;
            };
            for (u32 at = threadIdx.x; at < WARPS * width; at += 32 * WARPS) counts[at] = 0;
            __syncthreads();
            for (u32 at = lane; at < OWN; at += 32) {
                float factor;
                const u32 token = maximum(at, factor), same = __match_any_sync(0xffffffffu, token);
                if (token != NONE && (same & (1u << lane) - 1) == 0) counts[warp * width + token] += (u16)__popc(same);
                __syncwarp();
            }
            __syncthreads();
            // Counts become the places of the first maxima: by token, and of one token by warp.
            u32 all = 0;
            for (u32 near = 0; near < width; near += 32 * WARPS) {
                const u32 token = near + threadIdx.x;
                u32 number = 0;
                if (token < width) {
                    for (u32 i = 0; i < WARPS; ++i) number += counts[i * width + token];
                }
                u32 to = number;
#pragma unroll
                for (int step = 1; step < 32; step *= 2) {
                    const u32 before = __shfl_up_sync(0xffffffffu, to, step);
                    if ((int)lane >= step) to += before;
                }
                if (lane == 31) totals[warp] = to;
                __syncthreads();
                u32 place = all + to - number;
                for (u32 i = 0; i < WARPS; ++i) {
                    if (i < warp) place += totals[i];
                    all += totals[i];
                }
                if (token < width) {
                    for (u32 i = 0; i < WARPS; ++i) {
                        const u32 here = counts[i * width + token];
                        counts[i * width + token] = (u16)place;
                        place += here;
                    }
                }
                __syncthreads();
            }
            for (u32 at = lane; at < OWN; at += 32) {
                float factor;
                const u32 token = maximum(at, factor), same = __match_any_sync(0xffffffffu, token);
                const u32 before = __popc(same & (1u << lane) - 1);
                u32 place = 0;
                if (token != NONE) place = counts[warp * width + token] + before;
                __syncwarp();
                if (token != NONE) {
                    order[place] = token * SORTED + warp * OWN + at;
                    factors[place] = factor;
                    if (before == 0) counts[warp * width + token] += (u16)__popc(same);
                }
                __syncwarp();
            }
            if (threadIdx.x < WARPS) edge_tokens[threadIdx.x] = NONE;
            __syncthreads();
            // Each warp adds an equal part of the sorted maxima.
            const u32 begin = all * warp / WARPS, stop = all * (warp + 1) / WARPS;
            float sum[4] = {};
            u32 token = begin < stop ? order[begin] / SORTED : 0;
            bool shared = begin > 0 && begin < stop && order[begin - 1] / SORTED == token;
            auto flush = [&]() {
                if (shared) {
                    store_four(edges + warp * COLUMNS + 4 * lane, sum);
                    if (lane == 0) edge_tokens[warp] = token;
                } else {
                    float* to = out + (u64)document_tokens[first + from + token] * dim;
                    float before[4];
                    load_part(before, to, part, dim);
#pragma unroll
                    for (int i = 0; i < 4; ++i) before[i] += sum[i];
                    store_part(to, part, dim, before);
                }
                shared = false;
            };
            for (u32 at = begin; at < stop; at += 4) {
                float parts[4][4] = {};
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    if (at + i < stop && part < DIM) {
                        const u64 row = first_row + start + order[at + i] % SORTED;
                        add_part(parts[i], queries + row * ROW, part, factors[at + i]);
                    }
                }
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    if (at + i >= stop) break;
                    const u32 next = order[at + i] / SORTED;
                    if (next != token) {
                        flush();
                        token = next;
#pragma unroll
                        for (int j = 0; j < 4; ++j) sum[j] = 0.0f;
                    }
#pragma unroll
                    for (int j = 0; j < 4; ++j) sum[j] += parts[i][j];
                }
            }
            if (begin < stop) flush();
            __syncthreads();
            for (u32 i = 1; warp == 0 && i < WARPS; ++i) {
                if (edge_tokens[i] == NONE) continue;
                float* to = out + (u64)document_tokens[first + from + edge_tokens[i]] * dim;
                float before[4];
                load_part(before, to, part, dim);
#pragma unroll
                for (int j = 0; j < 4; ++j) before[j] += edges[i * COLUMNS + 4 * lane + j];
                store_part(to, part, dim, before);
            }
            __syncthreads();
        }
    }
}
