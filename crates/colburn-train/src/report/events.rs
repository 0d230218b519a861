//! TensorBoard's event files: TFRecord frames around protocol buffers `Event`, as far as scalars, a text and the start of a session go.
//!
//! Field numbers are those of `event.proto`, `summary.proto` and `tensor.proto` in `tensorboard/compat/proto`. Scalars are written as
//! `simple_value`, a `float`, as PyTorch's `SummaryWriter` does: every reader takes them for scalars, also `EventAccumulator.Scalars`,
//! which leaves TensorFlow 2's tensors out.

use super::crc::masked_crc32c;
use super::protobuf::Message;

/// `DT_STRING` of `types.proto`.
const DT_STRING: i64 = 7;
/// `SessionLog.START`.
const START: i64 = 1;

/// What an event file begins with: the version, from which on [`start`] is understood.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    frame(event(wall_time, 0).text(3, "brain.Event:2"))
}

/// The start of a session at a step: what earlier files of the folder have from that step on is not shown any more.
pub(super) fn start(wall_time: f64, step: i64) -> Vec<u8> {
    frame(event(wall_time, step).message(7, Message::default().integer(1, START)))
}

/// Scalars of a step by their tags.
pub(super) fn scalars<'a>(wall_time: f64, step: i64, scalars: impl IntoIterator<Item = (&'a str, f64)>) -> Vec<u8> {
    let summary = scalars.into_iter().fold(Message::default(), |summary, (tag, value)| {
        summary.message(1, Message::default().text(1, tag).float(2, value as f32))
    });
    frame(event(wall_time, step).message(5, summary))
}

/// A text, which is shown as Markdown: a tensor of one string for the plugin `text`.
pub(super) fn text(wall_time: f64, step: i64, tag: &str, text: &str) -> Vec<u8> {
    let shape = Message::default().message(2, Message::default().integer(1, 1));
    let tensor = Message::default().integer(1, DT_STRING).message(2, shape).text(8, text);
    let metadata = Message::default().message(1, Message::default().text(1, "text"));
    let value = Message::default().text(1, tag).message(8, tensor).message(9, metadata);
    frame(event(wall_time, step).message(5, Message::default().message(1, value)))
}

fn event(wall_time: f64, step: i64) -> Message {
    Message::default().double(1, wall_time).integer(2, step)
}

/// A TFRecord: length, its checksum, the bytes, theirs.
fn frame(event: Message) -> Vec<u8> {
    let bytes = event.into_bytes();
    let length = (bytes.len() as u64).to_le_bytes();
    let (of_length, of_bytes) = (masked_crc32c(&length).to_le_bytes(), masked_crc32c(&bytes).to_le_bytes());
    [&length[..], &of_length, &bytes, &of_bytes].concat()
}

/// The events of a file up to where a frame is cut off or damaged.
#[cfg(test)]
pub(super) fn read(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    loop {
        let Some((length, rest)) = file.split_first_chunk::<8>() else { return events };
        let Some((of_length, rest)) = rest.split_first_chunk::<4>() else { return events };
        let Some((bytes, rest)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else { return events };
        let Some((of_bytes, rest)) = rest.split_first_chunk::<4>() else { return events };
        if masked_crc32c(length).to_le_bytes() != *of_length || masked_crc32c(bytes).to_le_bytes() != *of_bytes {
            return events;
        }
        events.push(bytes.to_owned());
        file = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::{Value, bytes_of, fields, integer_of};
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // What tensorboard 2.21 writes, by
    //     from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    //     from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    //     from tensorboard.compat.proto.tensor_pb2 import TensorProto
    //     from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    //     from tensorboard.summary.writer.record_writer import RecordWriter
    //     def framed(**event):
    //         file = io.BytesIO(); RecordWriter(file).write(Event(wall_time=1.5, **event).SerializeToString()); return file.getvalue().hex()
    #[test]
    fn bytes_are_those_of_tensorboard() {
        // framed(file_version="brain.Event:2")
        assert_eq!(
            hex(&version(1.5)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        // framed(step=300, session_log=SessionLog(status=SessionLog.START))
        assert_eq!(hex(&start(1.5, 300)), "100000000000000095fbfe1809000000000000f83f10ac023a020801713b788a");
        // framed(step=20, summary=Summary(value=[Summary.Value(tag="train/loss", simple_value=0.1), Summary.Value(tag="n", simple_value=0)]))
        assert_eq!(
            hex(&scalars(1.5, 20, [("train/loss", 0.1), ("n", 0.0)])),
            "2a00000000000000ae8d91f509000000000000f83f10142a1d0a110a0a747261696e2f6c6f737315cdcccc3d0a080a016e1500000000c59cea9c"
        );
        // framed(summary=Summary(value=[Summary.Value(tag="args/text_summary",
        //     metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text")),
        //     tensor=TensorProto(dtype="DT_STRING", string_val=[b"{}"], tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])))]))
        assert_eq!(
            hex(&text(1.5, 0, "args/text_summary", "{}")),
            "3800000000000000a3797d5709000000000000f83f2a2d0a2b0a11617267732f746578745f73756d6d617279420c080712041202080142027b7d4a080a060a04746578748275823a"
        );
    }

    #[test]
    fn events_are_read_back_up_to_a_cut() {
        let scalars = scalars(2.5, 7, [("a", f64::NAN), ("b", -1.0)]);
        let file = [version(1.5), scalars].concat();
        let events = read(&file);
        assert_eq!(events.len(), 2);
        assert_eq!(integer_of(&events[1], 2), 7);
        let values: Vec<_> = fields(bytes_of(&events[1], 5).unwrap())
            .map(|(_, value)| {
                let Value::Bytes(value) = value else { panic!("a message is expected") };
                let Some((2, Value::Fixed32(number))) = fields(value).nth(1) else { panic!("a float is expected") };
                (bytes_of(value, 1).unwrap(), f32::from_le_bytes(number))
            })
            .collect();
        assert!(values[0].0 == b"a" && values[0].1.is_nan() && values[1] == (b"b", -1.0));
        for cut in 1..file.len() {
            assert!(read(&file[..file.len() - cut]).len() < 2);
        }
        let mut damaged = file.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(read(&damaged).len(), 1);
    }
}
