//! Backends are features: a library names none by default, and a user who turns one on in any crate gets it everywhere
//! below. A crate that forgets to pass one on compiles, and fails at run time.

use super::problem::Problem;
use super::repository::Repository;

/// Crates that choose a backend for their user.
const WITH_DEFAULT: [&str; 2] = ["colburn", "colburn-cli"];

/// The crate in which the backends' features end.
const ROOT: &str = "colburn-ops";

/// The crate that computes nothing and has no backend.
const WITHOUT: &str = "colburn-hub";

const BACKENDS: [&str; 4] = ["flex", "ndarray", "wgpu", "cuda"];

pub fn no_default(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, manifest) in repository.crates() {
        let default = manifest.list("features", "default").unwrap_or_default();
        if !WITH_DEFAULT.contains(&name) && !default.is_empty() {
            let message = format!("a library has no default features, this one has {}", default.join(", "));
            problems.push(Problem::in_file(&format!("crates/{name}/Cargo.toml"), message));
        }
    }
    // A default that the workspace leaves on for one of ours would come in by every other crate.
    if let Some(root) = repository.file("Cargo.toml") {
        for name in WITH_DEFAULT {
            let shared = super::manifest::Manifest::parse(&root.text);
            if shared
                .get("workspace.dependencies", name)
                .is_some_and(|value| !value.contains("default-features = false"))
            {
                problems.push(Problem::in_file("Cargo.toml", format!("{name} needs default-features = false")));
            }
        }
    }
    problems
}

pub fn pass_through(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, manifest) in repository.crates().into_iter().filter(|(name, _)| *name != WITHOUT) {
        let path = format!("crates/{name}/Cargo.toml");
        for backend in BACKENDS {
            let Some(forwarded) = manifest.list("features", backend) else {
                problems.push(Problem::in_file(&path, format!("the feature {backend} is missing")));
                continue;
            };
            if name == ROOT {
                continue;
            }
            let ours = manifest.dependencies().into_iter().filter(|used| !used.dev && used.name.starts_with("colburn"));
            for used in ours.map(|used| used.name).filter(|used| used != WITHOUT) {
                if !forwarded.contains(&format!("{used}/{backend}"))
                    && !forwarded.contains(&format!("{used}?/{backend}"))
                {
                    problems
                        .push(Problem::in_file(&path, format!("the feature {backend} must turn on {used}/{backend}")));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Repository, no_default, pass_through};

    #[test]
    fn a_library_with_a_default_backend_is_found() {
        let manifest = "[features]\ndefault = [\"flex\"]";
        let of = |name: &str| no_default(&Repository::of(&[(&format!("crates/{name}/Cargo.toml"), manifest)]));
        assert_eq!(of("colburn-model").len(), 1);
        assert_eq!(of("colburn"), []);
        let root = "[workspace.dependencies]\ncolburn = { path = \"crates/colburn\" }";
        assert_eq!(no_default(&Repository::of(&[("Cargo.toml", root)])).len(), 1);
    }

    #[test]
    fn a_backend_that_is_not_passed_on_is_found() {
        let manifest = |wgpu: &str| {
            format!(
                "[features]\nflex = [\"colburn-ops/flex\"]\nndarray = [\"colburn-ops/ndarray\"]\nwgpu = [{wgpu}]\n\
                 cuda = [\"colburn-ops/cuda\"]\n[dependencies]\ncolburn-ops.workspace = true"
            )
        };
        let of = |text: &str| pass_through(&Repository::of(&[("crates/colburn-loss/Cargo.toml", text)]));
        assert_eq!(of(&manifest("\"colburn-ops/wgpu\"")), []);
        assert_eq!(of(&manifest(""))[0].message, "the feature wgpu must turn on colburn-ops/wgpu");
        assert_eq!(of(&manifest("").replace("wgpu = []\n", ""))[0].message, "the feature wgpu is missing");
        // Who computes nothing needs none.
        let with_hub = format!("{}\ncolburn-hub.workspace = true", manifest("\"colburn-ops/wgpu\""));
        assert_eq!(of(&with_hub), []);
        assert_eq!(pass_through(&Repository::of(&[("crates/colburn-hub/Cargo.toml", "[features]")])), []);
    }
}
