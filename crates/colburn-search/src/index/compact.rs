//! Compaction: segments with many removed documents, and many small segments, are rewritten. The order of the documents stays and their bytes
//! are copied, so a search finds the same as before.

use std::ops::Range;
use std::sync::OnceLock;

use super::manifest::SegmentEntry;
use super::persistent::Index;
use super::segment::{Segment, SegmentWriter};
use super::write::SEGMENT_BYTES;
use crate::Result;

/// A segment is rewritten when more than one document in this many was removed.
const REMOVED_SHARE: usize = 4;
/// The number of consecutive small segments that are merged.
const MANY: usize = 32;
/// The size limit of a small segment.
const SMALL: usize = SEGMENT_BYTES / 4;

/// The runs of segments to rewrite after a change: those with too many removed documents, and many consecutive small ones.
fn after_change(segments: &[SegmentEntry], bytes: impl Fn(&SegmentEntry) -> usize) -> Vec<Range<usize>> {
    let mut runs = runs(segments.len(), |at| bytes(&segments[at]) < SMALL);
    runs.retain(|run| run.len() >= MANY);
    let in_run = |at: &usize| runs.iter().any(|run| run.contains(at));
    let holey = |at: &usize| segments[*at].removed.len() * REMOVED_SHARE > segments[*at].documents;
    let alone: Vec<_> = (0..segments.len()).filter(|at| holey(at) && !in_run(at)).map(|at| at..at + 1).collect();
    runs.extend(alone);
    runs.sort_by_key(|run| run.start);
    runs
}

/// The runs of segments to rewrite on request: those with removed documents, and consecutive ones below half the full size.
fn on_request(segments: &[SegmentEntry], bytes: impl Fn(&SegmentEntry) -> usize) -> Vec<Range<usize>> {
    let mut runs =
        runs(segments.len(), |at| !segments[at].removed.is_empty() || bytes(&segments[at]) < SEGMENT_BYTES / 2);
    runs.retain(|run| run.len() > 1 || !segments[run.start].removed.is_empty());
    runs
}

/// The longest runs of numbers for which `is` is true.
fn runs(count: usize, is: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in (0..count).filter(|&at| is(at)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

impl Index {
    /// Frees the space of removed documents, and merges small segments. Rewritten segments exist twice for a while; at most 256 MiB of them are
    /// in memory. Searches find the same as before.
    ///
    /// # Errors
    /// When there is another writer, or a file cannot be written: then the index stays as it was.
    pub fn compact(&mut self) -> Result<()> {
        self.lock()?;
        let (dim, dtype) = (self.dim(), self.dtype());
        self.rewrite(&on_request(&self.manifest.segments, |entry| entry.bytes(dim, dtype)))
    }

    /// Compacts after a change, where needed. The change is complete, so a failure here is only logged.
    pub(super) fn tidy(&mut self) {
        let (dim, dtype) = (self.dim(), self.dtype());
        let runs = after_change(&self.manifest.segments, |entry| entry.bytes(dim, dtype));
        if let Err(error) = self.rewrite(&runs) {
            tracing::warn!("{}: changed, but not compacted: {error}", self.directory.display());
        }
    }

    /// Rewrites runs of segments, in order and without their removed documents.
    fn rewrite(&mut self, runs: &[Range<usize>]) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        let entries = std::mem::take(&mut manifest.segments);
        // Each segment of the new list: an old one by its number, or a new one.
        let mut from: Vec<Option<usize>> = Vec::new();
        for (at, entry) in entries.into_iter().enumerate() {
            match runs.iter().find(|run| run.contains(&at)) {
                Some(run) if run.start == at => {
                    for entry in self.copy(run.clone(), &mut manifest.next_segment)? {
                        manifest.segments.push(entry);
                        from.push(None);
                    }
                }
                Some(_) => {}
                None => {
                    manifest.segments.push(entry);
                    from.push(Some(at));
                }
            }
        }
        let open = |entry: &SegmentEntry| Segment::open(&self.directory, entry, self.dim(), self.dtype());
        let new =
            manifest.segments.iter().zip(&from).map(|(entry, from)| from.is_none().then(|| open(entry)).transpose());
        let new: Vec<Option<Segment>> = new.collect::<Result<_>>()?;
        self.commit(manifest)?;
        let mut old: Vec<Option<Segment>> = std::mem::take(&mut self.segments).into_iter().map(Some).collect();
        let kept = |(new, from): (Option<Segment>, Option<usize>)| new.or_else(|| old.get_mut(from?)?.take());
        self.segments = new.into_iter().zip(from).filter_map(kept).collect();
        // A file that is mapped cannot be deleted everywhere.
        drop(old);
        self.table = OnceLock::new();
        self.sweep();
        Ok(())
    }

    /// The documents of a run of segments in new segments.
    fn copy(&self, run: Range<usize>, next: &mut u64) -> Result<Vec<SegmentEntry>> {
        let new = || SegmentWriter::new(self.dim(), self.dtype());
        let (mut entries, mut writer) = (Vec::new(), new());
        let mut flush = |writer: &mut SegmentWriter| -> Result<()> {
            entries.push(std::mem::replace(writer, new()).write(&self.directory, *next)?);
            *next += 1;
            Ok(())
        };
        for at in run {
            let (entry, segment) = (&self.manifest.segments[at], &self.segments[at]);
            for document in (0..segment.documents()).filter(|&document| !entry.removed.contains(&(document as u32))) {
                writer.copy(segment, document);
                if writer.bytes() >= SEGMENT_BYTES {
                    flush(&mut writer)?;
                }
            }
        }
        if !writer.is_empty() {
            flush(&mut writer)?;
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of so many MiB and removed ones of 8 documents.
    fn segments(parts: &[(usize, u32)]) -> Vec<SegmentEntry> {
        let entry = |&(megabytes, removed): &(usize, u32)| SegmentEntry {
            file: String::new(),
            documents: 8,
            tokens: megabytes << 20,
            removed: (0..removed).collect(),
        };
        parts.iter().map(entry).collect()
    }

    /// First and behind the last, of each run.
    fn ends(runs: Vec<Range<usize>>) -> Vec<(usize, usize)> {
        runs.into_iter().map(|run| (run.start, run.end)).collect()
    }

    #[test]
    fn a_segment_is_due_when_more_than_a_quarter_of_it_was_removed() {
        let tokens = |entry: &SegmentEntry| entry.tokens;
        let parts = segments(&[(256, 2), (256, 3), (1, 0), (1, 8), (256, 0)]);
        assert_eq!(ends(after_change(&parts, tokens)), [(1, 2), (3, 4)]);
        assert!(after_change(&[], tokens).is_empty());
    }

    #[test]
    fn many_small_segments_are_due_together() {
        let tokens = |entry: &SegmentEntry| entry.tokens;
        let mut parts = vec![(256, 0), (64, 3)];
        parts.extend([(1, 0); MANY - 1]);
        assert_eq!(ends(after_change(&segments(&parts), tokens)), [(1, 2)]);
        parts.push((1, 8));
        assert_eq!(ends(after_change(&segments(&parts), tokens)), [(1, 2), (2, 2 + MANY)]);
    }

    #[test]
    fn everything_loose_is_compacted_when_asked_for() {
        let tokens = |entry: &SegmentEntry| entry.tokens;
        assert!(on_request(&segments(&[(256, 0), (200, 0), (10, 0)]), tokens).is_empty());
        let parts = segments(&[(256, 1), (200, 0), (10, 0), (100, 0), (256, 0)]);
        assert_eq!(ends(on_request(&parts, tokens)), [(0, 1), (2, 4)]);
    }
}
