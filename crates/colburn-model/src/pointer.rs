//! Git LFS pointers: small texts that stand in the place of large files until these are fetched. A clone without Git LFS has only them.

use std::{fs::File, io::Read, path::Path};

use crate::{Error, Result};

/// The beginning of every pointer.
const BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Refuses a file that is a pointer.
pub(crate) fn refuse(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(BEGINNING.len() as u64).read_to_end(&mut start).map_err(Error::io(path))?;
    refuse_bytes(path, &start)
}

/// The same for a file that was read already.
pub(crate) fn refuse_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(BEGINNING) { Err(Error::Pointer { path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use std::fs;

    use burn::tensor::Device;

    use crate::ColBert;

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    /// The message about the tiny model with a pointer in the place of some of its files.
    fn message(pointers: &[&str], removed: &[&str]) -> String {
        let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1_Dense")).unwrap();
        for inside in ["", "1_Dense"] {
            for entry in fs::read_dir(model.join(inside)).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_file() {
                    fs::copy(&entry, folder.path().join(inside).join(entry.file_name().unwrap())).unwrap();
                }
            }
        }
        removed.iter().for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
        pointers.iter().for_each(|name| fs::write(folder.path().join(name), POINTER).unwrap());
        match ColBert::from_pretrained(folder.path(), &Device::flex()) {
            Ok(_) => "loaded".to_owned(),
            Err(error) => error.to_string().replace(&format!("{}/", folder.path().display()), ""),
        }
    }

    #[test]
    fn a_pointer_is_not_a_file_of_a_model() {
        let expected =
            "a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`, or download it anew";
        for file in [
            "model.safetensors",
            "1_Dense/model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "config.json",
            "1_Dense/config.json",
            "config_sentence_transformers.json",
            "modules.json",
        ] {
            assert_eq!(message(&[file], &[]), format!("{file}: {expected}"));
        }
        let removed = ["model.safetensors"];
        assert_eq!(message(&["pytorch_model.bin"], &removed), format!("pytorch_model.bin: {expected}"));
        let removed = ["tokenizer.json"];
        assert_eq!(message(&["vocab.txt"], &removed), format!("vocab.txt: {expected}"));
        // A file that is not read may be one.
        assert_eq!(message(&["pytorch_model.bin", "README.md"], &[]), "loaded");
    }
}
