//! Devices by name, and the backend of a device. The backend is a value at run time; its presence is a feature of the build.

use burn::backend::DispatchDevice;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use burn::backend::cubecl::RuntimeId;
use burn::tensor::Device;

use crate::error::{Error, Result};

/// The names of the backends, each of which is also the feature that compiles it.
pub const BACKENDS: [&str; 4] = ["flex", "ndarray", "wgpu", "cuda"];

/// The backends that this build holds.
pub fn available() -> Vec<&'static str> {
    let compiled = [cfg!(feature = "flex"), cfg!(feature = "ndarray"), cfg!(feature = "wgpu"), cfg!(feature = "cuda")];
    BACKENDS.into_iter().zip(compiled).filter_map(|(name, compiled)| compiled.then_some(name)).collect()
}

/// The device of this name: `flex`, `ndarray`, `wgpu`, `cuda`, `cuda:N`.
///
/// Without a name, the environment variable `BURN_DEVICE` decides, and without that the first of cuda, wgpu, flex, ndarray that is
/// compiled in.
///
/// # Errors
/// When the name is unknown, or its backend is not in this build; the message names the feature that brings it.
pub fn by_name(name: Option<&str>) -> Result<Device> {
    let from_environment = std::env::var("BURN_DEVICE").ok().filter(|name| !name.is_empty());
    let name = match (name, &from_environment) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) => {
            ["cuda", "wgpu", "flex", "ndarray"].into_iter().find(|name| available().contains(name)).unwrap_or("flex")
        }
    };
    let lowercase = name.to_ascii_lowercase();
    let (backend, index) = match lowercase.split_once(':') {
        Some((backend, index)) => (backend, index.parse().map_err(|_| unknown(name))?),
        None => (lowercase.as_str(), 0usize),
    };
    if index > 0 && backend != "cuda" {
        return Err(unknown(name));
    }
    match backend {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Ok(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            present(name, index, burn::tensor::DeviceType::Wgpu)?;
            Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
        }
        #[cfg(feature = "cuda")]
        "cuda" => {
            present(name, index, burn::tensor::DeviceType::Cuda)?;
            Ok(Device::cuda(index))
        }
        backend if BACKENDS.contains(&backend) => {
            Err(Error::MissingBackend { name: name.to_owned(), feature: backend.to_owned(), available: listed() })
        }
        _ => Err(unknown(name)),
    }
}

/// The backend of a device, as far as this crate tells them apart. Which of them can occur depends on the features of the build.
#[allow(dead_code, reason = "a build without a backend never makes its variant")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The CPU backend in pure Rust.
    Flex,
    /// The older CPU backend.
    NdArray,
    /// CubeCL on WebGPU.
    Wgpu,
    /// CubeCL on CUDA.
    Cuda,
    /// A backend that this build has through Burn but colburn does not name.
    Other,
}

/// The backend of a device, with or without a graph.
pub(crate) fn backend(device: &Device) -> Backend {
    of_dispatch(device.as_dispatch())
}

/// The backend of a device as Burn's dispatch has it.
pub(crate) fn of_dispatch(device: &DispatchDevice) -> Backend {
    match device {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => Backend::Flex,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => Backend::NdArray,
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        DispatchDevice::Cube(device) => match device.runtime() {
            RuntimeId::Wgpu => Backend::Wgpu,
            RuntimeId::Cuda => Backend::Cuda,
            _ => Backend::Other,
        },
        DispatchDevice::Autodiff(device) => of_dispatch(device),
        // Backends that a user's own features add to Burn.
        #[allow(unreachable_patterns, reason = "which variants there are depends on Burn's features")]
        _ => Backend::Other,
    }
}

/// The name of a device's backend, as [`by_name`] takes it.
pub fn name(device: &Device) -> &'static str {
    match backend(device) {
        Backend::Flex => "flex",
        Backend::NdArray => "ndarray",
        Backend::Wgpu => "wgpu",
        Backend::Cuda => "cuda",
        Backend::Other => "another backend",
    }
}

/// True if a device is the host itself, so that work can be shared out among its cores.
pub fn is_cpu(device: &Device) -> bool {
    matches!(backend(device), Backend::Flex | Backend::NdArray)
}

/// Burn makes a device without looking for it, and panics at the first tensor when it is not there.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn present(name: &str, index: usize, kind: burn::tensor::DeviceType) -> Result<()> {
    let found = Device::enumerate(kind).into_vec().len();
    if index < found { Ok(()) } else { Err(Error::NoDevice { name: name.to_owned(), found }) }
}

fn unknown(name: &str) -> Error {
    Error::UnknownDevice { name: name.to_owned(), available: listed() }
}

fn listed() -> String {
    match available().as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_backend_names_its_feature() {
        for name in BACKENDS.into_iter().filter(|name| !available().contains(name)) {
            let error = by_name(Some(name)).unwrap_err().to_string();
            assert!(error.contains(&format!("--features {name}")), "{error}");
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_device_has_its_name() {
        let device = by_name(Some("flex")).unwrap();
        assert_eq!((name(&device), name(&device.clone().autodiff())), ("flex", "flex"));
        assert!(is_cpu(&device) && is_cpu(&device.autodiff()));
    }

    #[test]
    fn unknown_names_are_errors() {
        for name in ["tpu", "cuda:x", "flex:1", ""] {
            let error = by_name(Some(name)).unwrap_err().to_string();
            assert!(error.contains("one of flex"), "{error}");
        }
    }
}
