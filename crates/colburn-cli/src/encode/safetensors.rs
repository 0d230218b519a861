//! A safetensors file that is written text by text. Its header stands first and names the place of every tensor. Room is left for it, and
//! it is written last, so memory holds no more than the lengths. Of int8 the factors stand before the values; there both wait in files
//! without a name until all are there.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use colburn::model::TokenEmbeddings;
use colburn::search::Dtype;

use super::syncing::Syncing;

/// Readers refuse a header of more than 100 MB, which is what about so many texts make.
pub const MOST_TEXTS: usize = 500_000;

/// Bytes before the header: its length.
const LENGTH: usize = 8;

/// The tensors `0`, `1`, … `[tokens, dim]`, and with int8 the factors `0.scale`, `1.scale`, … `[tokens]`.
pub struct SafetensorsFile {
    dtype: Dtype,
    dim: usize,
    /// The number of each text, and its tokens.
    lengths: Vec<(usize, usize)>,
    values: Values,
}

/// The place of values until the file is whole.
enum Values {
    /// The file itself, behind so many bytes for the header.
    InPlace { file: BufWriter<File>, room: usize, syncing: Syncing },
    /// Files without a name.
    Spooled { values: BufWriter<File>, scales: BufWriter<File> },
}

impl SafetensorsFile {
    /// Begins a file in this folder of texts with these numbers, or fewer of them.
    pub fn new(folder: &Path, file: &File, dtype: Dtype, dim: usize, texts: Range<usize>) -> io::Result<Self> {
        let buffered = |file: File| BufWriter::with_capacity(1 << 20, file);
        let values = match dtype {
            Dtype::Int8 => {
                let spool = || Ok::<_, io::Error>(buffered(tempfile::tempfile_in(folder)?));
                Values::Spooled { values: spool()?, scales: spool()? }
            }
            Dtype::F32 | Dtype::F16 => {
                let (mut file, room, syncing) = (file.try_clone()?, room(dim, &texts), Syncing::new(file)?);
                file.seek(SeekFrom::Start((LENGTH + room) as u64))?;
                Values::InPlace { file: buffered(file), room, syncing }
            }
        };
        Ok(Self { dtype, dim, lengths: Vec::new(), values })
    }

    pub fn push(&mut self, number: usize, embeddings: &TokenEmbeddings) -> io::Result<()> {
        if self.lengths.len() == MOST_TEXTS {
            return Err(io::Error::other(too_many()));
        }
        let (mut bytes, mut factors) = (Vec::with_capacity(embeddings.values.len() * self.dtype.size()), Vec::new());
        match &mut self.values {
            Values::InPlace { file, syncing, .. } => {
                self.dtype.encode(&embeddings.values, &mut bytes, &mut factors);
                file.write_all(&bytes)?;
                syncing.wrote(bytes.len());
            }
            Values::Spooled { values, scales } => {
                embeddings.rows().for_each(|vector| self.dtype.encode(vector, &mut bytes, &mut factors));
                values.write_all(&bytes)?;
                scales.write_all(&factors)?;
            }
        }
        self.lengths.push((number, embeddings.tokens()));
        Ok(())
    }

    /// Makes the file whole.
    pub fn finish(self, file: &mut File) -> io::Result<()> {
        let mut header = self.header();
        let room = match &self.values {
            Values::InPlace { room, .. } => *room,
            // The values begin at a multiple of 8, as the format wants it.
            Values::Spooled { .. } => header.len().next_multiple_of(8),
        };
        let missing = room.checked_sub(header.len());
        let missing = missing.ok_or_else(|| io::Error::other("there are more texts than were counted; encode anew"))?;
        header.extend(std::iter::repeat_n(' ', missing));
        let spools = match self.values {
            Values::InPlace { file: values, syncing, .. } => {
                values.into_inner().map_err(|error| error.into_error())?;
                syncing.finish()?;
                None
            }
            Values::Spooled { values, scales } => Some([scales, values]),
        };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        drop(header);
        for spool in spools.into_iter().flatten() {
            let mut spool = spool.into_inner().map_err(|error| error.into_error())?;
            spool.seek(SeekFrom::Start(0))?;
            io::copy(&mut spool, file)?;
        }
        Ok(())
    }

    /// The factors stand before the values, so that both begin where numbers of their size may.
    fn header(&self) -> String {
        let (mut header, mut at) = (String::from("{"), 0);
        let mut entry = |name: std::fmt::Arguments, dtype: &str, shape: std::fmt::Arguments, bytes: usize| {
            let comma = if header.len() > 1 { "," } else { "" };
            let end = at + bytes;
            // Writing to a string does not fail.
            let _written = write!(
                header,
                "{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{at},{end}]}}"
            );
            at = end;
        };
        if matches!(self.dtype, Dtype::Int8) {
            for (number, tokens) in &self.lengths {
                entry(format_args!("{number}.scale"), "F32", format_args!("{tokens}"), tokens * size_of::<f32>());
            }
        }
        let dtype = match self.dtype {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::Int8 => "I8",
        };
        let (dim, size) = (self.dim, self.dtype.size());
        for (number, tokens) in &self.lengths {
            entry(format_args!("{number}"), dtype, format_args!("{tokens},{dim}"), tokens * dim * size);
        }
        header.push('}');
        header
    }
}

/// Bytes that a header of these texts has at most: texts of less than ten million tokens in a file of less than 100 terabytes.
fn room(dim: usize, texts: &Range<usize>) -> usize {
    let (last, tokens, offset) = (texts.end.saturating_sub(1), 9_999_999, 99_999_999_999_999_u64);
    let entry =
        format!(",\"{last}\":{{\"dtype\":\"F32\",\"shape\":[{tokens},{dim}],\"data_offsets\":[{offset},{offset}]}}");
    (2 + texts.len().min(MOST_TEXTS) * entry.len()).next_multiple_of(8)
}

/// The advice when there are too many texts for one file.
pub fn too_many() -> String {
    format!("readers refuse one safetensors file of more than {MOST_TEXTS} texts; let --output name a folder")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use colburn::search::quantize;
    use safetensors::{Dtype as Stored, SafeTensors};

    use super::*;

    fn written(dtype: Dtype, texts: &[TokenEmbeddings], dim: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = File::create_new(&path).unwrap();
        let mut writer = SafetensorsFile::new(folder.path(), &file, dtype, dim, 9..9 + texts.len()).unwrap();
        texts.iter().enumerate().for_each(|(at, text)| writer.push(at + 9, text).unwrap());
        writer.finish(&mut file).unwrap();
        fs::read(path).unwrap()
    }

    fn texts() -> Vec<TokenEmbeddings> {
        let text = |tokens: usize| TokenEmbeddings {
            values: (0..tokens * 3).map(|value| (value as f32 * 0.7).sin()).collect(),
            dim: 3,
        };
        [2, 0, 5].map(text).to_vec()
    }

    #[test]
    fn the_library_reads_every_type() {
        for (dtype, expected, size) in
            [(Dtype::F32, Stored::F32, 4), (Dtype::F16, Stored::F16, 2), (Dtype::Int8, Stored::I8, 1)]
        {
            let bytes = written(dtype, &texts(), 3);
            let file = SafeTensors::deserialize(&bytes).unwrap();
            for (name, tokens) in [("9", 2), ("10", 0), ("11", 5)] {
                let tensor = file.tensor(name).unwrap();
                assert_eq!(
                    (tensor.dtype(), tensor.shape(), tensor.data().len()),
                    (expected, &[tokens, 3][..], tokens * 3 * size)
                );
                let scale = file.tensor(&format!("{name}.scale"));
                assert_eq!(scale.is_ok(), matches!(dtype, Dtype::Int8));
                assert!(scale.is_err() || scale.unwrap().shape() == [tokens]);
            }
            let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert_eq!(data % 8, 0);
        }
    }

    #[test]
    fn values_are_those_of_the_texts() {
        let bytes = written(Dtype::F32, &texts(), 3);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let bytes_of = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(file.tensor("11").unwrap().data(), bytes_of(&texts()[2].values));
        let bytes = written(Dtype::Int8, &texts(), 3);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (mut values, mut scales) = (Vec::new(), Vec::new());
        for vector in texts()[2].rows() {
            let (scale, steps) = quantize(vector);
            values.extend(steps.map(i8::cast_unsigned));
            scales.push(scale);
        }
        assert_eq!(file.tensor("11").unwrap().data(), values);
        assert_eq!(file.tensor("11.scale").unwrap().data(), bytes_of(&scales));
    }

    #[test]
    fn a_header_is_never_too_large_for_readers() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("out")).unwrap();
        let mut writer = SafetensorsFile::new(folder.path(), &file, Dtype::Int8, 768, 0..MOST_TEXTS).unwrap();
        let nothing = TokenEmbeddings { values: Vec::new(), dim: 768 };
        (0..MOST_TEXTS).for_each(|number| writer.push(number, &nothing).unwrap());
        let message = writer.push(MOST_TEXTS, &nothing).unwrap_err().to_string();
        assert!(message.ends_with("more than 500000 texts; let --output name a folder"), "{message}");
        writer.lengths.iter_mut().for_each(|(_, tokens)| *tokens = 8192);
        assert!(writer.header().len() < 100_000_000, "{}", writer.header().len());
    }

    #[test]
    fn the_room_is_large_enough_and_not_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("out")).unwrap();
        let numbers = 999_999_500..1_000_000_000;
        let mut writer = SafetensorsFile::new(folder.path(), &file, Dtype::F16, 768, numbers.clone()).unwrap();
        // A terabyte and a half.
        writer.lengths = numbers.clone().map(|number| (number, 2_000_000)).collect();
        assert!(writer.header().len() <= room(768, &numbers));
        assert!(room(768, &(0..usize::MAX)) < 100_000_000);
    }

    #[test]
    fn more_texts_than_were_counted_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create_new(folder.path().join("out")).unwrap();
        let mut writer = SafetensorsFile::new(folder.path(), &file, Dtype::F32, 3, 0..1).unwrap();
        (0..9).for_each(|number| writer.push(number, &texts()[0]).unwrap());
        let message = writer.finish(&mut file).unwrap_err().to_string();
        assert_eq!(message, "there are more texts than were counted; encode anew");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = SafetensorsFile::new(folder.path(), &file, Dtype::F32, 3, 0..1).unwrap();
        writer.push(0, &texts()[0]).unwrap();
        assert_eq!(writer.finish(&mut file).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn no_texts() {
        assert_eq!(SafeTensors::deserialize(&written(Dtype::F16, &[], 3)).unwrap().len(), 0);
    }
}
