// The rows of halves of texts. This text stands behind rows.cu.

// Makes the rows and the scale of a text. A block has a text. values: f32 [values, dim].
extern "C" __global__ void __launch_bounds__(256)
maxsim_rows(const float* values, const u32* tokens, const u32* starts, u16* rows, float* scales, u32 dim) {
    __shared__ u32 largest[8];
    const u32 text = blockIdx.x, first = starts[text], parts = (starts[text + 1] - first) * (DIM / 4);
    u32 most = 0;
    for (u32 at = threadIdx.x; at < parts; at += 256) {
        const u32 token = tokens[first + at / (DIM / 4)];
        if (token == NONE) continue;
        float four[4];
        load_part(four, values + (u64)token * dim, at % (DIM / 4) * 4, dim);
#pragma unroll
        for (int i = 0; i < 4; ++i) most = max(most, __float_as_uint(four[i]) & 0x7fffffffu);
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) most = max(most, __shfl_xor_sync(0xffffffffu, most, step));
    if (threadIdx.x % 32 == 0) largest[threadIdx.x / 32] = most;
    __syncthreads();
#pragma unroll
    for (int warp = 0; warp < 8; ++warp) most = max(most, largest[warp]);
    // Exponents as in the bits of f32. A power of two, and its inverse, are normal numbers.
    const u32 exponent = most >> 23, power = exponent == 0 ? 127 : min(max(268 - (int)exponent, 1), 253);
    const float scale = __uint_as_float(power << 23);
    if (threadIdx.x == 0) scales[text] = __uint_as_float((254 - power) << 23);
    for (u32 at = threadIdx.x; at < parts; at += 256) {
        const u32 row = first + at / (DIM / 4), column = at % (DIM / 4) * 4, token = tokens[row];
        float four[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (token != NONE) load_part(four, values + (u64)token * dim, column, dim);
#pragma unroll
        for (int i = 0; i < 4; ++i) four[i] *= scale;
        uint2* to = reinterpret_cast<uint2*>(rows + (u64)row * ROW + column);
        const uint2 high = make_uint2(halves_of(four[0], four[1]), halves_of(four[2], four[3]));
        to[0] = high;
#if SPLIT
        four[0] -= first_half(high.x), four[1] -= second_half(high.x), four[2] -= first_half(high.y), four[3] -= second_half(high.y);
        to[DIM / 4] = make_uint2(halves_of(four[0], four[1]), halves_of(four[2], four[3]));
#endif
    }
}
