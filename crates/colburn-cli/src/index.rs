//! `colburn index`: documents on disk as embeddings, to be searched. Documents are read and tokenized, encoded, and added a chunk at a
//! time, on a thread each.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use colburn::model::{ColBert, EncodeOptions, Kind, TokenEmbeddings, ahead};
use colburn::ops::device::by_name;
use colburn::search::{Added, Error as SearchError, Index, IndexOptions};
#[cfg(feature = "plaid")]
use colburn::search::{PlaidIndex, PlaidOptions};

use crate::command_line::{AddArguments, CreateArguments, IdArguments, IndexCommand, RemoveArguments};
use crate::documents::Documents;
use crate::opened::{self, Opened};
use crate::pipeline::compute_and_write;
use crate::prompts::{Asked, say_left_out};
use crate::{Error, Outcome, Result, output};

/// Documents that are encoded and added at one time.
const CHUNK: usize = 2048;
/// The same for a PLAID index, whose centroids are made of the first ones.
#[cfg(feature = "plaid")]
const PLAID_CHUNK: usize = 8192;
/// The time between reports of progress.
const REPORT: Duration = Duration::from_secs(10);

pub fn run(command: &IndexCommand) -> Result<Outcome> {
    match command {
        IndexCommand::Create(arguments) => create(arguments)?,
        IndexCommand::Add(arguments) => add(arguments)?,
        IndexCommand::Remove(arguments) => remove(arguments)?,
        IndexCommand::Compact(arguments) => compact(&arguments.index)?,
        IndexCommand::Info(arguments) => info(&arguments.index)?,
    }
    Ok(Outcome::Done)
}

fn create(arguments: &CreateArguments) -> Result<()> {
    let directory = &arguments.documents.index;
    // Before the corpus is read and the model loaded.
    if arguments.plaid {
        refuse_pooled(&arguments.documents)?;
        #[cfg(not(feature = "plaid"))]
        return Err(crate::opened::without_plaid(directory));
    }
    Index::check_vacant(directory)?;
    let device = by_name(arguments.documents.device.name.as_deref())?;
    let documents = Documents::counted(&arguments.documents.input, &arguments.documents.texts)?;
    let model = ColBert::from_pretrained(&arguments.documents.model, &device)?;
    let model = arguments.documents.precision.of(model)?;
    let options = options(&arguments.documents, &model)?;
    fill(created(arguments, &model, &options)?, documents, &model, (&arguments.documents, &options))
}

/// A new index of the kind that was asked for.
fn created(arguments: &CreateArguments, model: &ColBert, options: &EncodeOptions) -> Result<Opened> {
    let directory = &arguments.documents.index;
    let (name, dim) = (Some(model.name_or_path().display().to_string()), model.embedding_size());
    let encoding = opened::encoding(model, options)?;
    #[cfg(feature = "plaid")]
    if arguments.plaid {
        let options = PlaidOptions { model: name, encoding, nbits: arguments.nbits, ..PlaidOptions::new(dim) };
        return Ok(Opened::Plaid(Box::new(PlaidIndex::create(directory, &options)?)));
    }
    let options = IndexOptions { model: name, encoding, dtype: arguments.dtype, ..IndexOptions::new(dim) };
    Ok(Opened::Exact(Box::new(Index::create(directory, &options)?)))
}

fn add(arguments: &AddArguments) -> Result<()> {
    let mut index = Opened::open(&arguments.index)?;
    if index.is_plaid() {
        refuse_pooled(arguments)?;
    }
    index.lock()?;
    let device = by_name(arguments.device.name.as_deref())?;
    let documents = Documents::counted(&arguments.input, &arguments.texts)?;
    refuse_line_numbers(&index, &documents, arguments)?;
    let model = arguments.precision.of(ColBert::from_pretrained(&arguments.model, &device)?)?;
    index.check_model(&model)?;
    let options = options(arguments, &model)?;
    index.check_encoding(&opened::encoding(&model, &options)?)?;
    fill(index, documents, &model, (arguments, &options))
}

/// The options of the encoding of documents.
fn options(arguments: &AddArguments, model: &ColBert) -> Result<EncodeOptions> {
    let prompt = Asked::new(arguments.prompt.prompt.as_ref(), arguments.prompt.prompt_name.as_ref());
    say_left_out(model, &[("the documents", prompt, Some("--prompt"))]);
    Ok(EncodeOptions {
        batch_size: arguments.batch_size.map(NonZeroUsize::get),
        pool_factor: arguments.pool_factor.get(),
        prompt: prompt.of(model)?,
        ..EncodeOptions::default()
    })
}

/// Refuses pooled vectors, of which a PLAID index would not keep the length.
fn refuse_pooled(arguments: &AddArguments) -> Result<()> {
    let value = arguments.pool_factor.to_string();
    if arguments.pool_factor.get() == 1 {
        return Ok(());
    }
    let message =
        "a PLAID index keeps vectors at length 1, which pooled ones do not have; leave it out, or make an exact index";
    Err(SearchError::Argument { name: "pool_factor", value, message: message.to_owned() }.into())
}

/// Refuses lines whose numbers are ids in the index: that two texts stand in the same line of two files does not make them one.
fn refuse_line_numbers(
    index: &Opened,
    (documents, count): &(Documents, usize),
    arguments: &AddArguments,
) -> Result<()> {
    if !documents.are_lines() {
        return Ok(());
    }
    match (0..*count).map(|number| number.to_string()).find(|id| index.contains(id)) {
        Some(id) => {
            let message = format!(
                "its ids are the numbers of its lines, and {} has a document {id:?} already; give ids in a .jsonl file",
                arguments.index.display()
            );
            Err(Error::Texts { path: arguments.input.clone(), message })
        }
        None => Ok(()),
    }
}

fn fill(
    mut index: Opened,
    (documents, count): (Documents, usize),
    model: &ColBert,
    (arguments, options): (&AddArguments, &EncodeOptions),
) -> Result<()> {
    let options = EncodeOptions { f16: index.holds_f16(), ..options.clone() };
    let chunks = Chunks { documents, count, model, options: &options };
    let added = match &mut index {
        Opened::Exact(index) => chunks.add(CHUNK, |ids, embeddings| Ok(index.add(ids, embeddings)?))?,
        #[cfg(feature = "plaid")]
        Opened::Plaid(index) => {
            // In one change, because each costs a copy.
            let mut update = index.update()?;
            let added = chunks.add(PLAID_CHUNK, |ids, embeddings| Ok(update.add(ids, embeddings)?))?;
            update.commit()?;
            added
        }
    };
    let replaced = match added.replaced {
        0 => String::new(),
        replaced => format!(", {replaced} in place of older ones"),
    };
    let directory = arguments.index.display();
    output::say(&format!("{} documents added{replaced}; {directory} has {}", added.documents, index.len()));
    Ok(())
}

/// Documents on their way into an index.
struct Chunks<'a> {
    documents: Documents,
    count: usize,
    model: &'a ColBert,
    options: &'a EncodeOptions,
}

impl Chunks<'_> {
    /// Adds them at least `chunk` at a time, but for the last ones.
    fn add(
        self,
        chunk: usize,
        add: impl FnMut(&[String], &[TokenEmbeddings]) -> Result<Added> + Send,
    ) -> Result<Added> {
        let Self { documents, count, model, options } = self;
        let window = model.window(Kind::Document, options).min(chunk);
        let windows = documents.windows(window, model.tokenizing(Kind::Document, options));
        let adding = Adding { add, all: Added::default(), count, tokens: 0, began: Instant::now() };
        ahead(windows, |windows| {
            let encoded = model.encode_windows(Kind::Document, options, windows);
            compute_and_write(encoded, |encoded| adding.all(encoded, chunk))
        })
    }
}

/// The end of that way.
struct Adding<A> {
    add: A,
    all: Added,
    count: usize,
    tokens: usize,
    began: Instant,
}

impl<A: FnMut(&[String], &[TokenEmbeddings]) -> Result<Added>> Adding<A> {
    fn all(
        mut self,
        windows: impl Iterator<Item = (Vec<String>, Vec<TokenEmbeddings>)>,
        chunk: usize,
    ) -> Result<Added> {
        let (mut ids, mut embeddings) = (Vec::new(), Vec::new());
        let mut reported = Instant::now();
        for (new, encoded) in windows {
            ids.extend(new);
            embeddings.extend(encoded);
            if ids.len() >= chunk {
                self.chunk(&ids, &embeddings)?;
                ids.clear();
                embeddings.clear();
            }
            if reported.elapsed() > REPORT && self.all.documents < self.count {
                reported = Instant::now();
                let (done, count, tokens) = (self.all.documents, self.count, self.tokens);
                let rate = done as f64 / self.began.elapsed().as_secs_f64();
                tracing::info!("{done} of {count} documents, {tokens} token vectors, {rate:.0} documents/s");
            }
        }
        if !ids.is_empty() {
            self.chunk(&ids, &embeddings)?;
        }
        Ok(self.all)
    }

    fn chunk(&mut self, ids: &[String], embeddings: &[TokenEmbeddings]) -> Result<()> {
        let added = (self.add)(ids, embeddings)?;
        self.all.documents += added.documents;
        self.all.replaced += added.replaced;
        self.tokens += embeddings.iter().map(TokenEmbeddings::tokens).sum::<usize>();
        Ok(())
    }
}

fn remove(arguments: &RemoveArguments) -> Result<()> {
    let mut index = Opened::open(&arguments.index)?;
    index.lock()?;
    let mut ids = ids(&arguments.ids)?;
    let given = ids.len();
    if arguments.ignore_unknown {
        ids.retain(|id| index.contains(id));
    }
    let removed = index.remove(&ids)?;
    let unknown = match given - ids.len() {
        0 => String::new(),
        unknown => format!(", {unknown} ids were not there"),
    };
    output::say(&format!("{removed} documents removed{unknown}; {} has {}", arguments.index.display(), index.len()));
    Ok(())
}

/// The ids that were given, or those of the lines of a file.
fn ids(arguments: &IdArguments) -> Result<Vec<String>> {
    let Some(path) = &arguments.ids else { return Ok(arguments.id.clone()) };
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let ids: Vec<String> =
        text.trim_start_matches('\u{feff}').lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Error::Texts { path: path.clone(), message: "there are no ids in it".to_owned() });
    }
    Ok(ids)
}

fn compact(directory: &Path) -> Result<()> {
    match Opened::open(directory)? {
        Opened::Exact(mut index) => {
            let before = index.bytes();
            index.compact()?;
            output::say(&format!("{}: {before} bytes before, {} now", directory.display(), index.bytes()));
        }
        #[cfg(feature = "plaid")]
        Opened::Plaid(_) => output::say(&format!("{}: a PLAID index is always compact", directory.display())),
    }
    Ok(())
}

fn info(directory: &Path) -> Result<()> {
    let none = "unknown";
    let facts = match Opened::open(directory)? {
        Opened::Exact(index) => vec![
            ("kind", "exact".to_owned()),
            ("documents", index.len().to_string()),
            ("removed", index.removed().to_string()),
            ("tokens", index.tokens().to_string()),
            ("dim", index.dim().to_string()),
            ("dtype", index.dtype().to_string()),
            ("segments", index.segments().to_string()),
            ("bytes", index.bytes().to_string()),
            ("model", index.model().unwrap_or(none).to_owned()),
        ],
        #[cfg(feature = "plaid")]
        Opened::Plaid(index) => vec![
            ("kind", "plaid".to_owned()),
            ("documents", index.len().to_string()),
            ("tokens", index.tokens().to_string()),
            ("dim", index.dim().to_string()),
            ("nbits", index.nbits().to_string()),
            ("centroids", index.centroids().to_string()),
            ("bytes", index.bytes().to_string()),
            ("model", index.model().unwrap_or(none).to_owned()),
        ],
    };
    for (name, value) in facts {
        output::say(&format!("{name} {value}"));
    }
    Ok(())
}
