// Activation functions, alone and as gated linear units, forward and backward. Vectors of all arrays begin at multiples of 16 bytes. NaN stays NaN: nothing is bounded by a
// minimum or maximum.
//
// Define ACTIVATION: the number of the function below.

#define GELU 0
#define GELU_10 1
#define GELU_NEW 2
#define QUICK_GELU 3
#define RELU 4
#define RELU_2 5
#define RELU_6 6
#define LEAKY_RELU 7
#define SILU 8
#define MISH 9
#define SIGMOID 10
#define TANH 11

// A function and its derivative at one place.
struct Both {
    float value;
    float slope;
};

DEVICE float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

DEVICE float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// x Φ(x). With a = |x| and t = 1 / (1 + 0.2316419 a), Φ(-a) is e^(-a²/2) times a polynomial in t, within 7.5e-8 (Abramowitz and Stegun,
// 26.2.17). The approximate instructions add 1e-7.
DEVICE Both gelu(float x) {
    // The density.
    const float e = __fmul_rn(power_of_two(__fmul_rn(__fmul_rn(x, x), -0.72134752f)), 0.3989423f);
    const float t = reciprocal(fmaf(fabsf(x), 0.2316419f, 1.0f));
    float series = 1.3302744f;
    series = fmaf(series, t, -1.821256f);
    series = fmaf(series, t, 1.7814779f);
    series = fmaf(series, t, -0.35656378f);
    series = fmaf(series, t, 0.31938153f);
    const float tail = __fmul_rn(__fmul_rn(series, t), e);
    const float share = x < 0.0f ? tail : 1.0f - tail;
    return {__fmul_rn(x, share), fmaf(x, e, share)};
}

// σ(x) = 1 / (1 + e^-x), and 1 - σ(x).
DEVICE Both sigmoid(float x) {
    // Beyond, e would be infinite, and the product with it NaN.
    const float e = expf(-x > 87.0f ? 87.0f : -x);
    const float value = 1.0f / (e + 1.0f);
    return {value, __fmul_rn(e, value)};
}

// x σ(a x + b x³).
DEVICE Both swish(float x, float a, float b) {
    const float square = __fmul_rn(x, x);
    const Both both = sigmoid(__fmul_rn(x, fmaf(square, b, a)));
    const float value = __fmul_rn(x, both.value);
    const float inner = fmaf(__fmul_rn(square, b), 3.0f, a);
    return {value, fmaf(__fmul_rn(value, both.slope), inner, both.value)};
}

DEVICE Both relu(float x) { return {x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f}; }

// Value and derivative, or the bound and 0 where the value is larger.
DEVICE Both at_most(Both both, float bound) { return both.value > bound ? Both{bound, 0.0f} : both; }

// x tanh(ln(1 + eˣ)). With e = eˣ, the second factor is n / (n + 2) for n = e (e + 2), which beyond 20 is 1.
DEVICE Both mish(float x) {
    const bool above = x > 20.0f;
    const float e = expf(above ? 20.0f : x);
    const float n = __fmul_rn(e, e + 2.0f);
    const float below = n + 2.0f;
    const float factor = n / below;
    const float slope = __fmul_rn(__fmul_rn(e, e + 1.0f), 4.0f) / __fmul_rn(below, below);
    return {__fmul_rn(x, factor), fmaf(x, above ? 0.0f : slope, factor)};
}

DEVICE Both activation(float x) {
#if ACTIVATION == GELU
    return gelu(x);
#elif ACTIVATION == GELU_10
    return at_most(gelu(x), 10.0f);
#elif ACTIVATION == GELU_NEW
    return swish(x, 1.595769f, 0.071354814f);
#elif ACTIVATION == QUICK_GELU
    return swish(x, 1.702f, 0.0f);
#elif ACTIVATION == SILU
    return swish(x, 1.0f, 0.0f);
#elif ACTIVATION == RELU
    return relu(x);
#elif ACTIVATION == RELU_2
    const float value = relu(x).value;
    return {__fmul_rn(value, value), value + value};
#elif ACTIVATION == RELU_6
    return at_most(relu(x), 6.0f);
#elif ACTIVATION == LEAKY_RELU
    const Both both = relu(x);
    return {fmaf(both.value, 0.99f, __fmul_rn(x, 0.01f)), fmaf(both.slope, 0.99f, 0.01f)};
#elif ACTIVATION == MISH
    return mish(x);
#elif ACTIVATION == SIGMOID
    const Both both = sigmoid(x);
    return {both.value, __fmul_rn(both.value, both.slope)};
#elif ACTIVATION == TANH
    const float value = tanhf(x);
    return {value, fmaf(-value, value, 1.0f)};
#endif
}

#define THREADS 256

// The function of every number of x.
extern "C" __global__ void __launch_bounds__(THREADS) activation_forward(const Low* x, Low* y, u32 vectors) {
    for (u32 place = blockIdx.x * THREADS + threadIdx.x; place < vectors; place += gridDim.x * THREADS) {
        float value[VECTOR];
        load_vector(value, x + (u64)place * VECTOR);
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) value[i] = activation(value[i]).value;
        store_vector(y + (u64)place * VECTOR, value);
    }
}

// From x and the gradient by the function, all Low [rows, VECTOR * vectors]: the gradient by x, the function once more, and the sums of the
// gradient's columns in blocks of rows, f32. The last two may be null. Grid (ceil(vectors / BLOCK_LANES), blocks).
extern "C" __global__ void __launch_bounds__(BLOCK_LANES* BLOCK_ROWS) activation_backward(
    const Low* x, const Low* gradient, Low* by_x, Low* value, float* partial, u32 rows, u32 vectors, u32 rows_of_block
) {
    const u32 column = blockIdx.x * BLOCK_LANES + threadIdx.x % BLOCK_LANES;
    const bool inside = column < vectors;
    const u32 end = min((blockIdx.y + 1) * rows_of_block, rows);
    float sum[VECTOR] = {};
    if (inside) {
#pragma unroll 2
        for (u32 row = blockIdx.y * rows_of_block + threadIdx.x / BLOCK_LANES; row < end; row += BLOCK_ROWS) {
            const u64 at = ((u64)row * vectors + column) * VECTOR;
            float input[VECTOR], slope[VECTOR];
            load_vector(input, x + at);
            load_vector(slope, gradient + at);
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
                const Both both = activation(input[i]);
                slope[i] = __fmul_rn(both.slope, slope[i]);
                sum[i] += slope[i];
                input[i] = both.value;
            }
            store_vector(by_x + at, slope);
            if (value != nullptr) store_vector(value + at, input);
        }
    }
    if (partial != nullptr) write_block(partial + ((u64)blockIdx.y * vectors + column) * VECTOR, sum, inside);
}

// Gated linear units: the function of the first half of each row of x, times the second half. x is Low [rows, 2, VECTOR * vectors], y Low [rows,
// VECTOR * vectors]; `all` counts the vectors of y.
extern "C" __global__ void __launch_bounds__(THREADS) gated_forward(const Low* x, Low* y, u32 all, u32 vectors) {
    for (u32 place = blockIdx.x * THREADS + threadIdx.x; place < all; place += gridDim.x * THREADS) {
        const Low* from = x + ((u64)place + place / vectors * vectors) * VECTOR;
        float value[VECTOR], gate[VECTOR];
        load_vector(value, from);
        load_vector(gate, from + vectors * VECTOR);
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) value[i] = __fmul_rn(activation(value[i]).value, gate[i]);
        store_vector(y + (u64)place * VECTOR, value);
    }
}

// As activation_backward, for gated linear units: gradient and value are Low [rows, VECTOR * vectors], x and by_x twice as wide, and partial has
// the sums of both halves.
extern "C" __global__ void __launch_bounds__(BLOCK_LANES* BLOCK_ROWS) gated_backward(
    const Low* x, const Low* gradient, Low* by_x, Low* value, float* partial, u32 rows, u32 vectors, u32 rows_of_block
) {
    const u32 column = blockIdx.x * BLOCK_LANES + threadIdx.x % BLOCK_LANES;
    const bool inside = column < vectors;
    const u32 end = min((blockIdx.y + 1) * rows_of_block, rows);
    const u64 half = (u64)vectors * VECTOR;
    float sum[VECTOR] = {}, gate_sum[VECTOR] = {};
    if (inside) {
        for (u32 row = blockIdx.y * rows_of_block + threadIdx.x / BLOCK_LANES; row < end; row += BLOCK_ROWS) {
            const u64 at = 2 * row * half + (u64)column * VECTOR;
            const u64 at_unit = row * half + (u64)column * VECTOR;
            float input[VECTOR], gate[VECTOR], slope[VECTOR];
            load_vector(input, x + at);
            load_vector(gate, x + at + half);
            load_vector(slope, gradient + at_unit);
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
                const Both both = activation(input[i]);
                input[i] = __fmul_rn(both.value, gate[i]);
                const float by_value = __fmul_rn(slope[i], gate[i]);
                gate[i] = __fmul_rn(slope[i], both.value);
                slope[i] = __fmul_rn(by_value, both.slope);
                sum[i] += slope[i];
                gate_sum[i] += gate[i];
            }
            store_vector(by_x + at, slope);
            store_vector(by_x + at + half, gate);
            if (value != nullptr) store_vector(value + at_unit, input);
        }
    }
    if (partial != nullptr) {
        float* to = partial + ((u64)blockIdx.y * 2 * vectors + column) * VECTOR;
        write_block(to, sum, inside);
        __syncthreads();
        write_block(to + half, gate_sum, inside);
    }
}
