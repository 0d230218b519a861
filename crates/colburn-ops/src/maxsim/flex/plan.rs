//! The plan of MaxSim: the pairs of queries and documents that are scored, cut into tasks, and the order of the tasks. It is made on the host
//! from spans and masks, before anything is multiplied.

use std::ops::Range;

use crate::embeddings::Embeddings;
use crate::maxsim::mask_rule::{MaskRule, least};

/// Number of query tokens that are multiplied at once, and of document tokens: the products of one block with one piece stay in a core's
/// second cache.
const BLOCK: usize = 256;
pub(super) const PIECE: usize = 256;

/// Rows of a block are filled up to a multiple of this, the number of lanes of the widest instruction set.
const LANES: usize = 16;

/// Document tokens of a task: more would not stay in a core's second cache while gradients are added to them.
const TASK: Range<usize> = 256..1024;

/// The tokens of queries and documents that count, cut into tasks. It follows from the shapes and masks alone.
#[derive(Debug)]
pub(super) struct Plan {
    /// The query tokens that count, query after query, by their row.
    pub query_tokens: Vec<u32>,
    /// The document tokens that count, document after document, by their row.
    pub document_tokens: Vec<u32>,
    /// Start and end of those of each document.
    document_offsets: Vec<usize>,
    /// Start and end of the rows of each document, with those that do not count.
    document_rows: Vec<usize>,
    /// The least value that a maximum of each document can take.
    pub least: Vec<f32>,
    /// Neighbouring query tokens, which are multiplied at once.
    pub blocks: Vec<Block>,
    /// Neighbouring documents, each in one task, in order.
    pub tasks: Vec<Task>,
    /// Numbers of queries and of scores of each.
    pub shape: [usize; 2],
    /// Distance from a query to the next, in scores.
    stride: usize,
    /// Rows of the queries.
    query_rows: usize,
}

/// Query tokens that count, and the queries that they belong to.
#[derive(Debug)]
pub(super) struct Block {
    /// By their place among those that count.
    pub tokens: Range<usize>,
    /// Each query of the block with its tokens in it, counted from the first of the block.
    pub queries: Vec<(usize, Range<usize>)>,
}

/// Documents, and the blocks that they meet.
#[derive(Debug)]
pub(super) struct Task {
    pub documents: Range<usize>,
    pub blocks: Range<usize>,
}

impl Plan {
    /// Every query with every document; with `groups`, each query with as many documents of its own. In that case the documents divide evenly
    /// among the queries.
    pub fn new(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, groups: bool) -> Self {
        let (query_tokens, query_offsets) = counting(queries);
        let (document_tokens, document_offsets) = counting(documents);
        let group = documents.len() / queries.len().max(1);
        let mut plan = Self {
            query_tokens,
            document_tokens,
            document_offsets,
            document_rows: (0..documents.len()).map(|document| documents.spans.range(document).start).collect(),
            least: (0..documents.len()).map(|document| least(documents, document, rule)).collect(),
            blocks: Vec::new(),
            tasks: Vec::new(),
            shape: [queries.len(), if groups { group } else { documents.len() }],
            stride: if groups { 0 } else { documents.len() },
            query_rows: queries.spans.tokens(),
        };
        plan.document_rows.push(documents.spans.tokens());
        if groups {
            for query in 0..queries.len() {
                let first = plan.blocks.len();
                plan.cut_queries(&query_offsets[query..query + 2], query);
                plan.cut_documents(query * group..(query + 1) * group, first..plan.blocks.len());
            }
        } else {
            plan.cut_queries(&query_offsets, 0);
            plan.cut_documents(0..documents.len(), 0..plan.blocks.len());
        }
        plan
    }

    /// Adds blocks of about one size, of the queries between these offsets, the first of which is `first`.
    fn cut_queries(&mut self, offsets: &[usize], first: usize) {
        let (start, end) = (offsets[0], offsets[offsets.len() - 1]);
        let tokens = end - start;
        let size = tokens.div_ceil(tokens.div_ceil(BLOCK).max(1)).next_multiple_of(LANES).max(LANES);
        for start in (start..end).step_by(size) {
            let tokens = start..end.min(start + size);
            let part = |(query, offsets): (usize, &[usize])| {
                let part = offsets[0].max(tokens.start)..offsets[1].min(tokens.end);
                (!part.is_empty()).then(|| (first + query, part.start - tokens.start..part.end - tokens.start))
            };
            // The first query that ends after the start of the block.
            let begin = offsets[1..].partition_point(|&end| end <= tokens.start);
            let queries = offsets[begin..].windows(2).take_while(|offsets| offsets[0] < tokens.end);
            let queries = queries.enumerate().filter_map(|(at, offsets)| part((begin + at, offsets))).collect();
            self.blocks.push(Block { tokens, queries });
        }
    }

    /// Adds tasks of neighbouring documents that meet these blocks.
    fn cut_documents(&mut self, documents: Range<usize>, blocks: Range<usize>) {
        let size = (self.document_tokens.len() / 16).clamp(TASK.start, TASK.end);
        let mut start = documents.start;
        while start < documents.end {
            // A document counts as one token at least, so that those without any are shared out, too.
            let (mut end, mut tokens) = (start, 0);
            while end < documents.end && (end == start || tokens + self.counting(end).len() < size) {
                tokens += self.counting(end).len() + 1;
                end += 1;
            }
            self.tasks.push(Task { documents: start..end, blocks: blocks.clone() });
            start = end;
        }
    }

    /// The tokens of a document that count, by their place among all that do.
    pub fn counting(&self, document: usize) -> Range<usize> {
        self.document_offsets[document]..self.document_offsets[document + 1]
    }

    /// The place of the score of a query with a document.
    pub fn score(&self, query: usize, document: usize) -> usize {
        query * self.stride + document
    }

    /// The query tokens that a task meets, by their place among those that count.
    pub fn met(&self, task: &Task) -> Range<usize> {
        let blocks = &self.blocks[task.blocks.clone()];
        blocks.first().map_or(0, |first| first.tokens.start)..blocks.last().map_or(0, |last| last.tokens.end)
    }

    /// The rows of a task's documents.
    pub fn rows_of_task(&self, task: &Task) -> Range<usize> {
        self.document_rows[task.documents.start]..self.document_rows[task.documents.end]
    }

    /// The rows from the first token of a block to that of the next; all rows of the queries are in one of these.
    pub fn rows_of_block(&self, block: usize) -> Range<usize> {
        let start = |block: usize| match self.blocks.get(block) {
            Some(block) => self.query_tokens[block.tokens.start] as usize,
            None => self.query_rows,
        };
        (if block == 0 { 0 } else { start(block) })..start(block + 1)
    }
}

impl Block {
    /// Its tokens, filled up to whole vectors.
    pub fn lanes(&self) -> usize {
        self.tokens.len().next_multiple_of(LANES)
    }
}

/// The tokens that count, by their row, and where those of each text begin and end.
fn counting(texts: &Embeddings) -> (Vec<u32>, Vec<usize>) {
    let mut tokens = Vec::with_capacity(texts.mask.len());
    let mut offsets = vec![0];
    for text in 0..texts.len() {
        tokens.extend(texts.spans.range(text).filter(|&token| texts.mask[token]).map(|token| token as u32));
        offsets.push(tokens.len());
    }
    (tokens, offsets)
}
