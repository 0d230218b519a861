// The norm of all gradients, and AdamW's update of all parameters.
//
// Parameters are listed in the launch's own arguments, of which there are 4 KiB. A block takes CHUNK numbers of one parameter. To be compiled
// without fused multiplications and additions, so that the numbers are those of the CPU kernel.

typedef unsigned int u32;
typedef unsigned long long u64;

#define THREADS 256
#define CHUNK 8192

struct Gradient {
    const float* gradient;
    u32 count;
    // The first block that works on it.
    u32 first;
};

struct Gradients {
    Gradient all[240];
};

struct Parameter {
    float* weight;
    const float* gradient;
    float* mean;
    float* squares;
    u32 count;
    u32 first;
    float keep;
    float rate;
    float correction;
    u32 unused;
};

struct Parameters {
    Parameter all[70];
};

struct Settings {
    float mean;
    float squares_keep;
    float squares_share;
    float epsilon;
};

// The last entry whose first block is not behind this block.
template <typename Table>
__device__ __forceinline__ u32 entry(const Table& table, u32 entries) {
    u32 low = 0, high = entries;
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (table.all[middle].first <= blockIdx.x) low = middle;
        else high = middle;
    }
    return low;
}

__device__ __forceinline__ bool is_finite(float x) {
    return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u;
}

// The sum over all threads of a block, on thread 0.
template <int N>
__device__ __forceinline__ double sum_of_block(double mine) {
    __shared__ double sums[N];
    sums[threadIdx.x] = mine;
    __syncthreads();
    for (int width = N / 2; width > 0; width /= 2) {
        if (threadIdx.x < width) sums[threadIdx.x] += sums[threadIdx.x + width];
        __syncthreads();
    }
    return sums[0];
}

// The sum of squares of each chunk.
extern "C" __global__ void __launch_bounds__(THREADS)
squares(const __grid_constant__ Gradients table, u32 entries, double* sums) {
    const u32 number = entry(table, entries);
    const u32 start = (blockIdx.x - table.all[number].first) * CHUNK;
    const u32 count = min(table.all[number].count - start, (u32)CHUNK);
    const float* x = table.all[number].gradient + start;
    float sum = 0.0f;
    u32 done = 0;
    if (((u64)x & 15) == 0) {
        const float4* vectors = (const float4*)x;
        float4 part = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
        for (u32 i = threadIdx.x; i < count / 4; i += THREADS) {
            float4 v = vectors[i];
            part.x += v.x * v.x;
            part.y += v.y * v.y;
            part.z += v.z * v.z;
            part.w += v.w * v.w;
        }
        sum = (part.x + part.y) + (part.z + part.w);
        done = count / 4 * 4;
    }
    for (u32 i = done + threadIdx.x; i < count; i += THREADS) sum += x[i] * x[i];
    double total = sum_of_block<THREADS>(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// The sum of all chunks, by one block of 1024 threads.
extern "C" __global__ void __launch_bounds__(1024) total(const double* sums, u32 count, float* out) {
    double sum = 0.0;
    for (u32 i = threadIdx.x; i < count; i += 1024) sum += sums[i];
    sum = sum_of_block<1024>(sum);
    if (threadIdx.x == 0) out[0] = (float)sum;
}

__device__ __forceinline__ void step(
    float& weight, float gradient, float& mean, float& squares, float factor, const Settings& s, const Parameter& p
) {
    gradient = gradient * factor;
    mean = mean + (gradient - mean) * s.mean;
    squares = squares * s.squares_keep + gradient * gradient * s.squares_share;
    float denominator = sqrtf(squares) / p.correction + s.epsilon;
    weight = weight * p.keep - mean / denominator * p.rate;
}

// With numbers, the last of which is the square of the norm: nothing changes unless all are finite, and the norm times `factor` is clipped.
extern "C" __global__ void __launch_bounds__(THREADS)
update(
    const __grid_constant__ Parameters table, u32 entries, const __grid_constant__ Settings settings, float factor,
    const float* numbers, u32 count_of_numbers, double max_norm
) {
    if (count_of_numbers > 0) {
        bool finite = true;
        for (u32 i = 0; i < count_of_numbers; ++i) finite = finite && is_finite(numbers[i]);
        if (!finite) return;
        double coefficient = max_norm / (sqrt((double)numbers[count_of_numbers - 1]) * (double)factor + 1e-6);
        if (max_norm > 0.0 && coefficient < 1.0) factor = (float)(coefficient * (double)factor);
    }
    const Parameter& p = table.all[entry(table, entries)];
    const u32 start = (blockIdx.x - p.first) * CHUNK;
    const u32 count = min(p.count - start, (u32)CHUNK);
    float* weight = p.weight + start;
    const float* gradient = p.gradient + start;
    float* mean = p.mean + start;
    float* squares = p.squares + start;
    u32 done = 0;
    if ((((u64)weight | (u64)gradient | (u64)mean | (u64)squares) & 15) == 0) {
        for (u32 i = threadIdx.x; i < count / 4; i += THREADS) {
            float4 w = ((float4*)weight)[i], m = ((float4*)mean)[i], v = ((float4*)squares)[i];
            const float4 g = ((const float4*)gradient)[i];
            step(w.x, g.x, m.x, v.x, factor, settings, p);
            step(w.y, g.y, m.y, v.y, factor, settings, p);
            step(w.z, g.z, m.z, v.z, factor, settings, p);
            step(w.w, g.w, m.w, v.w, factor, settings, p);
            ((float4*)weight)[i] = w;
            ((float4*)mean)[i] = m;
            ((float4*)squares)[i] = v;
        }
        done = count / 4 * 4;
    }
    for (u32 i = done + threadIdx.x; i < count; i += THREADS) {
        step(weight[i], gradient[i], mean[i], squares[i], factor, settings, p);
    }
}
