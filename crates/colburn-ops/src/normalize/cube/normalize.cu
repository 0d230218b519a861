// Rows of length one. A warp has a row, f32 [rows, width].

#define ROWS 8

// The least square of a length: a shorter row is divided by the root of this.
#define LEAST 1e-24f

// The divisor of a row. No maximum is taken, which would turn NaN into a number.
DEVICE float divisor(float square) { return square < LEAST ? 1e-12f : sqrtf(square); }

// The rows over their lengths, and the squares of the lengths, f32 [rows].
extern "C" __global__ void __launch_bounds__(32 * ROWS)
normalize_forward(const float* x, float* y, float* squares, u32 rows, u32 width) {
    const u32 row = blockIdx.x * ROWS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const u64 first = (u64)row * width;
    float sum = 0.0f;
    for (u32 column = 4 * lane; column < width; column += 128) {
        float value[4];
        load_four(value, x + first + column);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum = fmaf(value[i], value[i], sum);
    }
    const float square = sum_of_warp(sum), length = divisor(square);
    for (u32 column = 4 * lane; column < width; column += 128) {
        float value[4];
        load_four(value, x + first + column);
#pragma unroll
        for (int i = 0; i < 4; ++i) value[i] = value[i] / length;
        store_four(y + first + column, value);
    }
    if (lane == 0) squares[row] = square;
}

// The gradient by x from the rows of length one, the squares and the gradient by the former.
extern "C" __global__ void __launch_bounds__(32 * ROWS) normalize_backward(
    const float* values, const float* squares, const float* gradient, float* by_x, u32 rows, u32 width
) {
    const u32 row = blockIdx.x * ROWS + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    const u64 first = (u64)row * width;
    float sum = 0.0f;
    for (u32 column = 4 * lane; column < width; column += 128) {
        float value[4], slope[4];
        load_four(value, values + first + column);
        load_four(slope, gradient + first + column);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum = fmaf(value[i], slope[i], sum);
    }
    const float square = squares[row], length = divisor(square);
    // A row shorter than that is divided by a constant.
    const float total = sum_of_warp(sum), along = square < LEAST ? 0.0f : total;
    for (u32 column = 4 * lane; column < width; column += 128) {
        float value[4], slope[4];
        load_four(value, values + first + column);
        load_four(slope, gradient + first + column);
#pragma unroll
        for (int i = 0; i < 4; ++i) slope[i] = fmaf(-value[i], along, slope[i]) / length;
        store_four(by_x + first + column, slope);
    }
}
