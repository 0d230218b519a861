//! The number of texts that go through the encoder at once. Running out of memory is in `trainer/nets.rs`, and that the gradient is the
//! same for any loss in `trainer/caching.rs`.

use crate::probe::{assert_near, train};

#[test]
fn mini_batch_size() {
    let run = |mini_batch_size: Option<usize>| {
        train(8, |args| (args.mini_batch_size, args.per_device_train_batch_size) = (mini_batch_size, 8))
    };
    let (whole, parts) = (run(None), run(Some(1)));
    assert_near(parts.logged("loss")[0], whole.logged("loss")[0]);
    assert_near(parts.logged("grad_norm")[0], whole.logged("grad_norm")[0]);
    assert_ne!(parts.weights(), whole.weights(), "sums of parts are rounded otherwise");
}
