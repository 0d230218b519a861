//! The texts in stretches, read and tokenized beside the encoding. No stretch lies in two shards, and each shard begins one, so that a
//! shard's vectors depend on no other shard: which texts are encoded in one batch can change the last digits.

use std::sync::mpsc::SyncSender;

use colburn::model::TokenBatch;

use super::manifest::Shard;
use crate::texts::{Entry, Texts};
use crate::{Error, Result};

/// A run of texts to be encoded at once.
pub struct Stretch {
    /// The shard that they belong to.
    pub shard: usize,
    /// The number of the first one.
    pub first: usize,
    pub tokens: TokenBatch,
    pub ids: Vec<Option<String>>,
    /// The checksum of the shard's texts, in the last stretch of a shard.
    pub ends_shard: Option<u32>,
    /// How much of the input was read, from 0 to 1.
    pub share: f64,
}

/// How texts are cut.
pub struct Cut {
    /// Texts a stretch.
    pub stretch: usize,
    /// Texts a shard.
    pub shard: usize,
    /// What an earlier run has done already; these texts are read, and compared, but not encoded.
    pub done: Vec<Option<Shard>>,
}

/// Hands over all stretches, or those before an error and the error, until nobody listens.
pub fn produce(
    mut texts: Texts,
    cut: &Cut,
    tokenize: impl Fn(&[String]) -> Result<TokenBatch>,
    listener: &SyncSender<Result<Stretch>>,
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

/// The stretches of a shard; false when nobody listens any more.
fn encode(
    texts: &mut Texts,
    cut: &Cut,
    shard: usize,
    number: &mut usize,
    tokenize: &impl Fn(&[String]) -> Result<TokenBatch>,
    listener: &SyncSender<Result<Stretch>>,
) -> Result<bool> {
    let mut left = cut.shard;
    let mut checksum = Checksum::default();
    loop {
        let (mut batch, mut ids) = (Vec::new(), Vec::new());
        while batch.len() < cut.stretch.min(left) {
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
        let stretch = Stretch { shard, first, tokens, ids, ends_shard, share: texts.share() };
        if listener.send(Ok(stretch)).is_err() {
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

/// Of texts, their names, and where one ends and the next one begins.
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
