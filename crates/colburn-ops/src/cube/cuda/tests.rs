//! Tasks of several steps.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::task::Task;
use crate::cube::array::sizes;
use crate::cube::casts::{Cast, cast_all};
use crate::cube::copy::cast;
use crate::cube::launches::started;
use crate::cube::product::{Arithmetic, Matrix, product};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::cube::sums::column_sums;
use crate::cube::testing::{array, has_bf16, numbers_of};
use crate::testing::{close, numbers, random};

#[test]
fn steps_run_in_order_and_are_counted() {
    if !has_bf16() {
        return;
    }
    let (a, b) = (array(random([300, 16], 1)), array(random([16, 48], 2)));
    let before = started();
    let mut queue = Queue::new(&a);
    let sum = queue.empty(&a, [300, 48], DType::F32);
    for add in [false, true, true] {
        let (a, b, sum) = (Matrix::new(&a), Matrix::new(&b), Matrix::new(&sum));
        product(&mut queue, a, b, None, add, &sum, Arithmetic::default());
    }
    let sums = column_sums(&mut queue, &sum);
    assert_eq!(queue.task().map(|task| task.len()), Some(5), "three products and two passes of sums");
    queue.start();
    assert_eq!(queue.task().map(|task| task.len()), Some(0));

    let (a, b) = (numbers(300 * 16, 1), numbers(16 * 48, 2));
    let mut expected = vec![0.0f64; 48];
    for (a, row) in a.chunks(16).flat_map(|row| row.iter().zip(b.chunks(48))) {
        expected.iter_mut().zip(row).for_each(|(sum, b)| *sum += 3.0 * f64::from(*a) * f64::from(*b));
    }
    let expected: Vec<f32> = expected.into_iter().map(|sum| sum as f32).collect();
    close(&numbers_of(&sums), &expected, 1e-5, "the sums of three products");
    assert!(started() >= before + 5, "{} of 5 launches were counted", started() - before);
}

#[test]
fn an_array_of_a_task_is_one_of_all_kernels() {
    if !has_bf16() {
        return;
    }
    let x = array(random([40, 8], 3));
    let mut task = Task::default();
    let place = task.array(&x);
    let new = task.empty(Room::Own, &x, [40, 8], DType::F32);
    assert_ne!(task.array(&new), place);
    assert_eq!(task.array(&x.clone()), place, "an array is listed once");
    task.run();
    assert_eq!(sizes(&cast(&new, DType::BF16)), [40, 8]);
    let mut queue = Queue::new(&x);
    let sums = column_sums(&mut queue, &x);
    queue.start();
    let low = cast(&sums, DType::BF16);
    close(&numbers_of(&cast(&low, DType::F32)), &numbers_of(&sums), 1e-2, "a kernel of CubeCL behind a task");
}

/// The sizes are no multiples of the alignment of memory.
#[test]
fn arrays_that_share_their_memory_lie_apart() {
    if !has_bf16() {
        return;
    }
    let from: Vec<_> = [1, 77, 300, 5].into_iter().map(|rows| array(random([rows, 8], rows as u64))).collect();
    for room in [Room::Own, Room::Shared, Room::Scratch] {
        let mut queue = Queue::new(&from[0]);
        let casts = from.iter().map(|from| {
            let to = queue.empty_in(room, from, sizes::<2>(from), DType::BF16);
            Cast { from: from.clone(), to, first: 0 }
        });
        let casts: Vec<Cast> = casts.collect();
        let all: Vec<_> = casts.iter().map(|cast| cast.to.clone()).collect();
        cast_all(&mut queue, casts);
        queue.start();
        for (from, to) in from.iter().zip(&all) {
            close(&numbers_of(&cast(to, DType::F32)), &numbers_of(from), 1e-2, "an array beside others");
        }
        let memory = |array: &CubeTensor| array.handle.memory.descriptor().id;
        assert_eq!(all.iter().all(|array| memory(array) == memory(&all[0])), room != Room::Own);
    }
}
