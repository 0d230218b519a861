// The bias by distance. This text stands behind attention.cu, as those of the passes.

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

