//! The lengths that an Arrow message names, compared with the file before memory is taken for them: the decoder takes as much as a damaged
//! or hostile file asks for, and a program that asks for too much is ended.

use std::io::{BufRead, Read, Seek, SeekFrom};

use polars_arrow::io::ipc::format::ipc::planus::ReadAsRoot;
use polars_arrow::io::ipc::format::ipc::{MessageHeaderRef, MessageRef, RecordBatchRef};
use polars_error::{PolarsError, PolarsResult};

/// Compressed values of a batch may always take so much room: 4 GB.
const ROOM: u64 = 4 << 30;
/// Or so many times their compressed length.
const RATIO: u64 = 64;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message that was checked.
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub(super) start: u64,
    end: u64,
    pub(super) kind: MessageKind,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum MessageKind {
    /// The rows of a record batch.
    Rows(usize),
    Dictionary,
    Other,
}

/// Checks all messages of a stream, which begins at the start of the file.
pub(super) fn check_stream<R: BufRead + Seek>(reader: &mut R, length: u64) -> PolarsResult<Vec<Message>> {
    let (mut at, mut buffer, mut messages) = (0, Vec::new(), Vec::new());
    while !is_end(reader, at)? {
        let message = check(reader, at, length, &mut buffer)?;
        at = message.end;
        messages.push(message);
    }
    Ok(messages)
}

/// True if the stream ends here: at the end of the file, or at a message of no length.
fn is_end<R: Read + Seek>(reader: &mut R, at: u64) -> PolarsResult<bool> {
    reader.seek(SeekFrom::Start(at))?;
    Ok(message_length(reader).ok().is_none_or(|length| length == 0))
}

/// The length of the message that begins here.
fn message_length<R: Read>(reader: &mut R) -> PolarsResult<u64> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    if length == CONTINUATION {
        reader.read_exact(&mut length)?;
    }
    u64::try_from(i32::from_le_bytes(length)).map_err(|_| wrong("a length below 0"))
}

/// Checks the message at this offset.
pub(super) fn check<R: Read + Seek>(
    reader: &mut R,
    at: u64,
    length: u64,
    message: &mut Vec<u8>,
) -> PolarsResult<Message> {
    if at >= length {
        return Err(wrong("a message beyond the end of the file"));
    }
    reader.seek(SeekFrom::Start(at))?;
    let message_length = message_length(reader)?;
    message.clear();
    reader.by_ref().take(message_length).read_to_end(message)?;
    let found = MessageRef::read_as_root(message).map_err(|_| wrong("a message that cannot be read"))?;
    let body = found.body_length().ok().and_then(|body| u64::try_from(body).ok());
    let (claims, kind) = match found.header() {
        Ok(Some(MessageHeaderRef::RecordBatch(batch))) => {
            let claims = Claims::of(batch)?;
            let rows = usize::try_from(claims.rows).map_err(|_| wrong("more rows than its values can be"))?;
            (Some(claims), MessageKind::Rows(rows))
        }
        Ok(Some(MessageHeaderRef::DictionaryBatch(dictionary))) => match dictionary.data() {
            Ok(Some(batch)) => (Some(Claims::of(batch)?), MessageKind::Dictionary),
            _ => return Err(wrong("a dictionary without values")),
        },
        Ok(Some(_)) => (None, MessageKind::Other),
        _ => return Err(wrong("a message without a kind")),
    };
    let start = reader.stream_position()?;
    let end = body.and_then(|body| start.checked_add(body)).filter(|end| *end <= length);
    let (Some(body), Some(end)) = (body, end) else {
        return Err(wrong("a message that is longer than the file"));
    };
    if let Some(claims) = claims {
        claims.check(reader, start, body)?;
    }
    Ok(Message { start: at, end, kind })
}

/// The lengths of a batch.
struct Claims {
    rows: u64,
    buffers: Vec<(u64, u64)>,
    is_compressed: bool,
}

impl Claims {
    fn of(batch: RecordBatchRef) -> PolarsResult<Self> {
        let number = |number: i64| u64::try_from(number).map_err(|_| wrong("a length below 0"));
        let rows = batch.length().map_err(|_| wrong("a batch without a length"))?;
        let Ok(Some(buffers)) = batch.buffers() else { return Err(wrong("a batch without values")) };
        let buffers = buffers.iter().map(|buffer| Ok((number(buffer.offset())?, number(buffer.length())?)));
        Ok(Self {
            rows: number(rows)?,
            buffers: buffers.collect::<PolarsResult<_>>()?,
            is_compressed: !matches!(batch.compression(), Ok(None)),
        })
    }

    fn check<R: Read + Seek>(&self, reader: &mut R, start: u64, body: u64) -> PolarsResult<()> {
        let mut bytes = 0_u64;
        for &(offset, length) in &self.buffers {
            if offset.checked_add(length).is_none_or(|end| end > body) {
                return Err(wrong("values beyond the end of their message"));
            }
            if !self.is_compressed || length < 8 {
                bytes = bytes.saturating_add(length);
                continue;
            }
            reader.seek(SeekFrom::Start(start + offset))?;
            let mut decompressed = [0; 8];
            reader.read_exact(&mut decompressed)?;
            let decompressed = match i64::from_le_bytes(decompressed) {
                // This buffer is not compressed.
                -1 => length,
                claim => u64::try_from(claim).map_err(|_| wrong("a length below 0"))?,
            };
            bytes = bytes.saturating_add(decompressed);
        }
        if bytes > ROOM.max(body.saturating_mul(RATIO)) {
            return Err(wrong("compressed values that would take more than 4 GB; write smaller record batches"));
        }
        // A row takes a bit at least.
        if self.rows > bytes.saturating_mul(8) {
            return Err(wrong("more rows than its values can be"));
        }
        Ok(())
    }
}

fn wrong(reason: &'static str) -> PolarsError {
    PolarsError::ComputeError(reason.into())
}
