//! Devices by name: the backend is a run-time value, its presence a feature of the build.

use burn::tensor::Device;

use crate::{Error, Result};

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

/// The name of a device's backend, as [`by_name`] takes it.
pub fn name(device: &Device) -> &'static str {
    let description = format!("{device:?}").to_ascii_lowercase();
    BACKENDS.into_iter().find(|name| description.contains(name)).unwrap_or("another backend")
}

/// Whether a device is the host itself, so that work can be shared out among its cores.
pub fn is_cpu(device: &Device) -> bool {
    matches!(name(device), "flex" | "ndarray")
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
