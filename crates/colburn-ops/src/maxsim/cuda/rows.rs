//! The tokens that count, as rows of halves on the device; `rows.cu` says how they lie.

use burn::tensor::DType;
use burn_cubecl::{CubeDevice, tensor::CubeTensor};

use super::factors::Factors;
use crate::cube::array::upload_lists;
use crate::cube::cuda::nvrtc::Launch;
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::room::Room;
use crate::embeddings::Embeddings;
use crate::maxsim::mask_rule::{MaskRule, least};

/// Rows of a group, at a multiple of which each text begins.
pub(super) const GROUP: usize = 8;

/// A row of zeros.
const ZEROS: u32 = u32::MAX;

/// The owner of a group of a document: its number, and two marks.
const FLOORED: u32 = 1 << 30;
const LAST: u32 = 1 << 31;
pub(super) const MOST_DOCUMENTS: usize = 1 << 30;

/// The rows of the queries or the documents.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// The token of each row.
    pub tokens: CubeTensor,
    /// The first row of each text, and the end.
    pub starts: CubeTensor,
    /// The query of each group; of documents, with their marks.
    pub owners: CubeTensor,
    /// The starts on the host.
    pub on_host: Vec<u32>,
    /// True if every token has a row.
    pub whole: bool,
}

/// The halves of all rows, and the scale of each text.
#[derive(Clone, Debug)]
pub(super) struct Halves {
    pub rows: CubeTensor,
    pub scales: CubeTensor,
}

impl Rows {
    /// The rows of queries. Groups are filled up with zeros.
    pub fn of_queries(queries: &Embeddings, device: &CubeDevice) -> Self {
        Self::new(queries, device, |_| ZEROS, |_| [0, 0])
    }

    /// The rows of documents. Groups are filled up with copies of the first row.
    pub fn of_documents(documents: &Embeddings, rule: MaskRule, device: &CubeDevice) -> Self {
        let marks = |document| [if least(documents, document, rule) == 0.0 { FLOORED } else { 0 }, LAST];
        Self::new(documents, device, |first| first, marks)
    }

    /// `filling` makes the token of a row that fills a group from the first one of the text; `marks` gives the marks of all groups of a text, and of
    /// its last one.
    fn new(
        texts: &Embeddings,
        device: &CubeDevice,
        filling: impl Fn(u32) -> u32,
        marks: impl Fn(usize) -> [u32; 2],
    ) -> Self {
        let (mut tokens, mut starts) = (Vec::with_capacity(texts.mask.len()), vec![0]);
        let (mut owners, mut counting) = (Vec::new(), 0);
        for text in 0..texts.len() {
            let first = tokens.len();
            tokens.extend(texts.spans.range(text).filter(|&token| texts.mask[token]).map(|token| token as u32));
            if tokens.len() > first {
                counting += tokens.len() - first;
                tokens.resize(first + (tokens.len() - first).next_multiple_of(GROUP), filling(tokens[first]));
                let [of_all, of_last] = marks(text);
                owners.resize(tokens.len() / GROUP, text as u32 | of_all);
                owners[tokens.len() / GROUP - 1] |= of_last;
            }
            starts.push(tokens.len() as u32);
        }
        let whole = counting == texts.spans.tokens();
        let [tokens, on_device, owners] = upload_lists(device, [&tokens, &starts, &owners]);
        Self { tokens, starts: on_device, owners, on_host: starts, whole }
    }

    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.on_host.len() - 1
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.first_group(self.texts())
    }

    /// Number of groups before a text.
    pub fn first_group(&self, text: usize) -> usize {
        self.on_host[text] as usize / GROUP
    }

    /// Number of groups of a text.
    pub fn groups_of(&self, text: usize) -> usize {
        self.first_group(text + 1) - self.first_group(text)
    }

    /// The most groups of a text.
    pub fn most_groups(&self) -> usize {
        (0..self.texts()).map(|text| self.groups_of(text)).max().unwrap_or(0)
    }

    /// The halves of values, f32 `[tokens, width]`.
    pub fn halves(&self, task: &mut Task, factors: Factors, values: &CubeTensor) -> Halves {
        let rows = task.empty(Room::Shared, values, [(GROUP * self.groups()).max(1), factors.row()], DType::F16);
        let scales = task.empty(Room::Shared, values, [self.texts()], DType::F32);
        let arrays = [values, &self.tokens, &self.starts, &rows, &scales].map(|array| task.argument(array));
        let arguments = arrays.into_iter().chain([Argument::U32(factors.width as u32)]);
        let launch = Launch::new(self.texts() as u32, 256);
        // SAFETY: the arguments are those of the kernel by its source. Tokens are rows of the values, and there is a block for each text.
        unsafe { task.kernel(factors.halves(), c"maxsim_rows", launch, arguments) };
        Halves { rows, scales }
    }
}
