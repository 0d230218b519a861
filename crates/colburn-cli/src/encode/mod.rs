//! `colburn encode`: texts in, token embeddings out. Texts are read, and embeddings written, as they come; a folder of shards can be
//! resumed after an interruption, and has the same bytes in the end.

mod chunks;
mod file;
mod manifest;
mod progress;
mod safetensors;
mod syncing;
mod target;

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use colburn::model::{ColBert, EncodeOptions, Kind, TokenEmbeddings};
use colburn::ops::device;

use self::chunks::{Chunk, Cut};
use self::file::{Content, EmbeddingsFile, Written};
pub use self::manifest::model_files;
use self::manifest::{Settings, Shard, ShardManifest};
use self::progress::EncodingProgress;
use self::target::Target;
use crate::command_line::{EncodeArguments, FormatArgument};
use crate::pipeline::compute_and_write;
use crate::prompts::{Asked, say_left_out};
use crate::texts::Texts;
use crate::{Error, Outcome, Result, output};

/// Batches a chunk on a CPU: enough for texts of one length to meet in a batch, and few enough to hold the embeddings of all in memory.
const BATCHES: usize = 8;

pub fn run(arguments: &EncodeArguments) -> Result<Outcome> {
    let device = device::by_name(arguments.device.name.as_deref())?;
    let target = Target::of(arguments)?;
    target.prepare()?;
    let texts = Texts::open(&arguments.input, &arguments.texts)?;
    if target.shard_size.is_none()
        && target.format == FormatArgument::Safetensors
        && texts.len() > safetensors::MOST_TEXTS
    {
        return Err(Error::Texts { path: target.path, message: safetensors::too_many() });
    }
    let model = arguments.precision.of(ColBert::from_pretrained(&arguments.model, &device)?)?;
    let kind = Kind::from(arguments.kind);
    let prompt = Asked::new(arguments.prompt.prompt.as_ref(), arguments.prompt.prompt_name.as_ref());
    say_left_out(&model, &[("the texts", prompt, Some("--prompt"))]);
    let options = arguments.options(prompt.of(&model)?);
    // A length that cannot be is an error before anything is written.
    model.tokenize(&[""], kind, &options)?;

    let content = Content {
        format: target.format,
        dtype: arguments.dtype,
        dim: model.embedding_size(),
        text_ids: texts.has_ids(),
    };
    let (manifest, done) = match target.shard_size {
        Some(shard_size) => {
            let settings = settings(arguments, &options, &model, &texts, content, shard_size, device::name(&device))?;
            let (manifest, done) = target.begin(&arguments.model, settings, arguments.resume)?;
            let whole = done.iter().flatten().count();
            if whole > 0 {
                tracing::info!("{whole} shards are there already");
            }
            (Some(manifest), done)
        }
        None => (None, Vec::new()),
    };
    let chunk = match model.batch_texts(&options) {
        Some(texts) if device::is_cpu(&device) => texts.saturating_mul(BATCHES),
        _ => model.window(kind, &options),
    };
    let cut = Cut { chunk, shard: target.shard_size.unwrap_or(usize::MAX), done };
    let counted = texts.len();
    let mut job =
        Job { target, content, manifest, progress: EncodingProgress::new(kind), counted, texts: 0, tokens: 0 };
    let input = &arguments.input;
    thread::scope(|scope| {
        let (sender, chunks) = sync_channel(1);
        let tokenizer = model.tokenizing(kind, &options);
        let producer =
            scope.spawn(move || chunks::produce(texts, &cut, |texts| Ok(tokenizer.tokenize(texts)?), &sender));
        let encoded = model.encode_windows(kind, &options, chunks);
        let written = compute_and_write(encoded, |encoded| job.write(encoded, input));
        // A reader that came to a sudden end has not sent all texts: then nothing is complete.
        if let Err(panic) = producer.join() {
            std::panic::resume_unwind(panic);
        }
        written
    })?;
    job.complete()?;
    output::say(&format!("{} texts, {} token embeddings: {}", job.texts, job.tokens, job.target.path.display()));
    Ok(Outcome::Done)
}

/// The properties that the shards of a folder share.
fn settings(
    arguments: &EncodeArguments,
    options: &EncodeOptions,
    model: &ColBert,
    texts: &Texts,
    content: Content,
    shard_size: usize,
    device: &str,
) -> Result<Settings> {
    let mut input = std::collections::BTreeMap::new();
    for path in texts.files() {
        let metadata = path.metadata().map_err(|source| Error::Read { path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Files of several folders may have one name.
        *input.entry(name).or_default() += metadata.len();
    }
    Ok(Settings {
        version: 1,
        kind: arguments.kind.name().to_owned(),
        format: content.format.name().to_owned(),
        dtype: content.dtype.to_string(),
        dim: content.dim,
        shard_size,
        batch_size: model.batch_texts(options),
        prompt: options.prompt.clone(),
        length: options.length,
        pool_factor: options.pool_factor,
        protected_tokens: options.protected_tokens,
        bf16: arguments.precision.bf16,
        device: device.to_owned(),
        model: manifest::model_files(model.directory())?,
        input,
    })
}

/// Embeddings on their way to files.
struct Job {
    target: Target,
    content: Content,
    /// None for one file.
    manifest: Option<ShardManifest>,
    progress: EncodingProgress,
    /// The number of texts of the input.
    counted: usize,
    texts: usize,
    tokens: usize,
}

impl Job {
    /// Writes all chunks.
    fn write(&mut self, chunks: impl Iterator<Item = (Chunk, Vec<TokenEmbeddings>)>, input: &Path) -> Result<()> {
        let mut file: Option<EmbeddingsFile> = None;
        for (chunk, embeddings) in chunks {
            check_finite(chunk.first, &embeddings, input)?;
            let mut open = match file.take() {
                Some(file) => file,
                None => {
                    let most = self.counted.saturating_sub(chunk.first);
                    let texts = self.target.shard_size.map_or(most, |size| size.min(most));
                    EmbeddingsFile::create(
                        &self.target.file(chunk.shard),
                        self.content,
                        chunk.first..chunk.first + texts,
                    )?
                }
            };
            open.write(&chunk, &embeddings)?;
            self.progress.add(embeddings.len(), chunk.tokens, chunk.share);
            match chunk.ends_shard {
                Some(texts_crc32) => self.finish(chunk.shard, open.finish()?, texts_crc32)?,
                None => file = Some(open),
            }
        }
        Ok(())
    }

    /// Notes that there is nothing left to do.
    fn complete(&mut self) -> Result<()> {
        self.progress.finish();
        if let Some(manifest) = &mut self.manifest {
            manifest.complete = true;
            manifest.write(&self.target.path)?;
            (self.texts, self.tokens) = (manifest.texts, manifest.tokens);
        }
        Ok(())
    }

    /// Notes a shard that is in its place.
    fn finish(&mut self, number: usize, written: Written, texts_crc32: u32) -> Result<()> {
        let Some(manifest) = &mut self.manifest else {
            (self.texts, self.tokens) = (written.texts, written.tokens);
            return Ok(());
        };
        let path = self.target.file(number);
        let fingerprint = manifest::fingerprint(&path)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shard = Shard { file, texts: written.texts, tokens: written.tokens, fingerprint, texts_crc32 };
        match manifest.shards.get_mut(number) {
            Some(old) => *old = shard,
            None => manifest.shards.push(shard),
        }
        manifest.write(&self.target.path)
    }
}

/// Refuses embeddings that are not finite; `first` is the number of their first text.
fn check_finite(first: usize, embeddings: &[TokenEmbeddings], input: &Path) -> Result<()> {
    match embeddings.iter().position(|text| text.values.iter().any(|value| !value.is_finite())) {
        Some(text) => {
            let message = format!(
                "text {} (counted from 0) has an embedding that is not finite; the weights of the model may be damaged",
                first + text
            );
            Err(Error::Texts { path: input.to_owned(), message })
        }
        None => Ok(()),
    }
}
