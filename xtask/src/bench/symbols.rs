//! The part of a training step that a function belongs to, by its name and by its callers.
//!
//! A stack is read from the innermost function outwards, and the first function that a group knows decides: a copy within attention is a copy. An
//! elementwise function belongs to its caller if that is attention, MaxSim or the optimizer. A kernel on SIMD registers often has no name of its
//! own, only that of its dispatch; then its caller's name counts. The types of a generic function are in its name only if the binary was built
//! with `-C symbol-mangling-version=v0`. Without it, work on another thread can be nameless.

/// A group of functions.
pub struct Group {
    pub name: &'static str,
    /// Parts of names, in lower case. Single words, because a mangled name has no `::`.
    patterns: &'static [&'static str],
}

/// A stack with one of these is not part of a step: files are read, or texts are tokenized.
pub const READING: Group = Group {
    name: "reading, tokenizing, saving",
    patterns: &[
        "tokenize",
        "from_pretrained",
        "wordpiece",
        "polars",
        "parquet",
        "safetensors",
        "colburn_model4load",
        "colburn_model::load",
        "serde",
        "dataset",
    ],
};

const OPTIMIZER: &str = "optimizer";
const ATTENTION: &str = "attention";
const LOSS: &str = "MaxSim and loss";
const ELEMENTWISE: &str = "elementwise";

/// The training loop. Its callers say nothing about the part of a step.
const LOOP: Group = Group {
    name: "loop",
    patterns: &["burn_train::learner", "10burn_train", "colburn_train::run", "colburn_train3run"],
};

/// The groups in order: if a name fits several, the first is taken.
pub const GROUPS: [Group; 7] = [
    Group { name: "matrix products", patterns: &["gemm", "matmul"] },
    Group { name: OPTIMIZER, patterns: &["adamw", "optimizer", "train::optim", "train5optim"] },
    Group { name: ATTENTION, patterns: &["attention", "softmax", "rotary"] },
    Group { name: LOSS, patterns: &["maxsim", "xtr", "contrastive", "cross_entropy"] },
    Group {
        name: "copies and allocation",
        patterns: &[
            "memmove",
            "memcpy",
            "memset",
            "malloc",
            "calloc",
            "realloc",
            "cfree",
            "libc_free",
            "int_free",
            "clear_page",
            "page_fault",
            "mm_fault",
            "folio",
            "munmap",
            "mmap",
            "madvise",
            "copy_2d",
            "to_contiguous",
            "filled_typed",
            "memcg",
            "wp_page",
            "unlink_chunk",
        ],
    },
    Group {
        name: ELEMENTWISE,
        patterns: &[
            "erf",
            "expf",
            "xflow",
            "gelu",
            "norm",
            "dropout",
            "elementwise",
            "bias",
            "residual",
            "unary",
            "binary",
            "zip_",
            "scalar_op",
            "macerator",
            "gather",
            "scatter",
            "select",
            "embedding",
            "reduce",
            "sum",
            "mask",
            "activation",
            "linear",
        ],
    },
    Group {
        name: "waiting for work",
        patterns: &[
            "sched_yield",
            "wait_until",
            "futex",
            "find_work",
            "steal",
            "crossbeam",
            "schedule",
            "task_switch",
            "epoch",
        ],
    },
];

pub const OTHER: &str = "other";

/// The group of a stack of names, innermost first.
pub fn group(stack: &[&str]) -> &'static str {
    let knows = |group: &Group, name: &str| {
        let name = name.to_lowercase();
        group.patterns.iter().any(|pattern| name.contains(pattern))
    };
    if stack.iter().any(|name| knows(&READING, name)) {
        return READING.name;
    }
    let step = &stack[..stack.iter().position(|name| knows(&LOOP, name)).unwrap_or(stack.len())];
    let of_name = |name: &&str| GROUPS.iter().find(|group| knows(group, name)).map(|group| group.name);
    let innermost = step.iter().find_map(of_name).unwrap_or(OTHER);
    if innermost != ELEMENTWISE {
        return innermost;
    }
    let owner = |name: &str| [OPTIMIZER, ATTENTION, LOSS].into_iter().find(|owner| *owner == name);
    step.iter().filter_map(of_name).find_map(owner).unwrap_or(innermost)
}

/// The stacks that `perf script -F ip,sym` prints: one line for each function, innermost first, and a blank line between stacks.
pub fn stacks(printed: &str) -> Vec<Vec<&str>> {
    let (mut all, mut stack) = (Vec::new(), Vec::new());
    for line in printed.lines() {
        match line.trim().split_once(' ') {
            Some((_, name)) => stack.push(name.trim_end_matches(" (inlined)")),
            None if line.trim().is_empty() && !stack.is_empty() => all.push(std::mem::take(&mut stack)),
            None => {}
        }
    }
    if !stack.is_empty() {
        all.push(stack);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_name_that_is_known_decides() {
        for (stack, expected) in [
            (&["gemm_f32::microkernel::avx512f::f32::x4x6", "burn_flex::ops::matmul"][..], "matrix products"),
            (&["__memmove_avx512_unaligned_erms", "colburn_ops::attention::flex::forward"], "copies and allocation"),
            (&["pulp::x86::v4::V4::vectorize::imp_fastcall", "colburn_ops::attention::flex::product"], "attention"),
            (&["_RNvNtNtCs1_11colburn_ops9attention4flex7product"], "attention"),
            (&["libm::math::erff::erfc2", "burn_flex::ops::unary::unary_op"], "elementwise"),
            (&["clear_page_erms", "do_anonymous_page", "burn_flex::ops::binary::binary_op"], "copies and allocation"),
            (&["colburn_train::adamw::AdamW::step"], "optimizer"),
            (&["colburn_ops::maxsim::scores"], "MaxSim and loss"),
            (&["do_sched_yield", "rayon_core::registry::WorkerThread::wait_until_cold"], "waiting for work"),
            (
                &[
                    "burn_flex::ops::binary::binary_op",
                    "colburn_train::adamw::Step::map",
                    "colburn_train::run::training_loop::TrainingLoop::step",
                ],
                "optimizer",
            ),
            (&["expf", "colburn_ops::attention::weights", "colburn_model::encoder::bert::layer"], "attention"),
            (&["main", "colburn_train::run::training_loop::TrainingLoop<AdamW>::step", "burn_train::learner::Learner"], OTHER),
            (&[], OTHER),
        ] {
            assert_eq!(group(stack), expected, "{stack:?}");
        }
    }

    #[test]
    fn loading_is_told_from_the_caller() {
        let stack =
            ["__memmove_avx512_unaligned_erms", "colburn_model::load::<impl colburn_model::colbert::ColBert>::build", "colburn::train::run"];
        assert_eq!(group(&stack), READING.name);
    }

    #[test]
    fn stacks_are_told_apart() {
        let printed = "\n\tffff clear_page_erms\n\t  3c4 f::<a b>\nffff [unknown]\n\n\n\t 96 memcpy (inlined)\n\n";
        assert_eq!(stacks(printed), [vec!["clear_page_erms", "f::<a b>", "[unknown]"], vec!["memcpy"]]);
        assert!(stacks("\n\n").is_empty());
    }
}
