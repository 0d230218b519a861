//! A safetensors file that is written as its tensors come. Its header stands first and names the place of every tensor, so the values wait
//! in a file without a name until all are there, and memory holds no more than the lengths.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use colburn::model::TokenEmbeddings;
use colburn::search::Dtype;

/// Readers refuse a header of more than 100 MB, which is what about so many texts make.
pub const MOST_TEXTS: usize = 500_000;

/// The tensors `0`, `1`, … `[tokens, dim]`, and with int8 the factors `0.scale`, `1.scale`, … `[tokens]`.
pub struct SafetensorsFile {
    dtype: Dtype,
    dim: usize,
    /// The number of each text, and its tokens.
    lengths: Vec<(usize, usize)>,
    values: BufWriter<File>,
    scales: BufWriter<File>,
}

impl SafetensorsFile {
    /// Begins a file whose values wait in this folder.
    pub fn new(folder: &Path, dtype: Dtype, dim: usize) -> io::Result<Self> {
        let spool = || Ok::<_, io::Error>(BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(folder)?));
        Ok(Self { dtype, dim, lengths: Vec::new(), values: spool()?, scales: spool()? })
    }

    pub fn push(&mut self, number: usize, embeddings: &TokenEmbeddings) -> io::Result<()> {
        if self.lengths.len() == MOST_TEXTS {
            return Err(io::Error::other(too_many()));
        }
        let (mut values, mut scales) = (Vec::with_capacity(embeddings.values.len() * self.dtype.size()), Vec::new());
        embeddings.rows().for_each(|vector| self.dtype.encode(vector, &mut values, &mut scales));
        self.values.write_all(&values)?;
        self.scales.write_all(&scales)?;
        self.lengths.push((number, embeddings.tokens()));
        Ok(())
    }

    /// Writes it all into a file.
    pub fn finish(self, file: &mut File) -> io::Result<()> {
        let mut header = self.header();
        // The values begin at a multiple of 8, as the format wants it.
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        drop(header);
        for spool in [self.scales, self.values] {
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
        let mut writer = SafetensorsFile::new(folder.path(), dtype, dim).unwrap();
        texts.iter().enumerate().for_each(|(at, text)| writer.push(at + 9, text).unwrap());
        let path = folder.path().join("out");
        writer.finish(&mut File::create_new(&path).unwrap()).unwrap();
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
        let mut writer = SafetensorsFile::new(folder.path(), Dtype::Int8, 768).unwrap();
        let nothing = TokenEmbeddings { values: Vec::new(), dim: 768 };
        (0..MOST_TEXTS).for_each(|number| writer.push(number, &nothing).unwrap());
        let message = writer.push(MOST_TEXTS, &nothing).unwrap_err().to_string();
        assert!(message.ends_with("more than 500000 texts; let --output name a folder"), "{message}");
        writer.lengths.iter_mut().for_each(|(_, tokens)| *tokens = 8192);
        assert!(writer.header().len() < 100_000_000, "{}", writer.header().len());
    }

    #[test]
    fn no_texts() {
        assert_eq!(SafeTensors::deserialize(&written(Dtype::F16, &[], 3)).unwrap().len(), 0);
    }
}
