//! The texts in chunks, read and tokenized beside the encoding. No chunk lies in two shards, and each shard begins one, so that a
//! shard's vectors depend on no other shard: which texts are encoded in one batch can change the last digits.

use std::sync::mpsc::SyncSender;

use colburn::model::TokenBatch;

use super::manifest::Shard;
use crate::texts::{Entry, Texts};
use crate::{Error, Result};

/// A run of texts to be encoded at once.
pub struct Chunk {
    /// The shard that they belong to.
    pub shard: usize,
    /// The number of the first one.
    pub first: usize,
    /// The number of tokens that the encoder sees.
    pub tokens: usize,
    pub ids: Vec<Option<String>>,
    /// The checksum of the shard's texts, in the last chunk of a shard.
    pub ends_shard: Option<u32>,
    /// The share of the input that was read, from 0 to 1.
    pub share: f64,
}

/// The rules by which texts are cut.
pub struct Cut {
    /// Texts a chunk.
    pub chunk: usize,
    /// Texts a shard.
    pub shard: usize,
    /// The texts that an earlier run has encoded; they are read and compared, but not encoded.
    pub done: Vec<Option<Shard>>,
}

/// Hands over all chunks, or those before an error and the error, until nobody listens.
pub fn produce(
    mut texts: Texts,
    cut: &Cut,
    tokenize: impl Fn(&[String]) -> Result<TokenBatch>,
    listener: &SyncSender<Result<(Chunk, TokenBatch)>>,
) {
    let mut number = 0;
    let mut shard = 0;
    while !texts.at_end() {
        let made = match cut.done.get(shard) {
            Some(Some(done)) => compare(&mut texts, cut.shard, done, &mut number).map(|()| true),
            _ => encode(&mut texts, cut, shard, &mut number, &tokenize, listener),
        };
        match made {
            Ok(true) => shard += 1,
            Ok(false) => return,
            Err(error) => {
                let _nobody_listens = listener.send(Err(error));
                return;
            }
        }
    }
    if let Some(missing) = cut.done.get(shard).and_then(Option::as_ref) {
        let _nobody_listens = listener.send(Err(changed(&texts, missing)));
    }
}

/// The chunks of a shard; false when nobody listens any more.
fn encode(
    texts: &mut Texts,
    cut: &Cut,
    shard: usize,
    number: &mut usize,
    tokenize: &impl Fn(&[String]) -> Result<TokenBatch>,
    listener: &SyncSender<Result<(Chunk, TokenBatch)>>,
) -> Result<bool> {
    let mut left = cut.shard;
    let mut checksum = Checksum::default();
    loop {
        let (mut batch, mut ids) = (Vec::new(), Vec::new());
        while batch.len() < cut.chunk.min(left) {
            let Some(entry) = texts.take()? else { break };
            checksum.add(&entry);
            batch.push(entry.text);
            ids.push(entry.id);
        }
        left -= batch.len();
        let first = *number;
        *number += batch.len();
        let ends = left == 0 || texts.at_end();
        let tokens = tokenize(&batch)?;
        let ends_shard = ends.then(|| checksum.value());
        let chunk = Chunk { shard, first, tokens: tokens.tokens(), ids, ends_shard, share: texts.share() };
        if listener.send(Ok((chunk, tokens))).is_err() {
            return Ok(false);
        }
        if ends {
            return Ok(true);
        }
    }
}

/// Reads the texts of a shard that is there already: they have to be those that it was made of.
fn compare(texts: &mut Texts, size: usize, done: &Shard, number: &mut usize) -> Result<()> {
    let mut checksum = Checksum::default();
    let mut count = 0;
    while count < size
        && let Some(entry) = texts.take()?
    {
        checksum.add(&entry);
        count += 1;
    }
    *number += count;
    if count == done.texts && checksum.value() == done.texts_crc32 { Ok(()) } else { Err(changed(texts, done)) }
}

fn changed(texts: &Texts, shard: &Shard) -> Error {
    let message = format!(
        "the texts of {} are others than when it was written; give --resume the same input, or delete the output",
        shard.file
    );
    Error::Texts { path: texts.path().to_owned(), message }
}

/// A checksum of texts, their names, and their borders.
#[derive(Default)]
struct Checksum(crc32fast::Hasher);

impl Checksum {
    fn add(&mut self, entry: &Entry) {
        for part in [Some(entry.text.as_str()), entry.id.as_deref()] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            self.0.update(&length.to_le_bytes());
            self.0.update(part.unwrap_or_default().as_bytes());
        }
    }

    fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}
