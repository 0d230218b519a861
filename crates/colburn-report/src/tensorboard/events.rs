//! TensorBoard's event files: TFRecord frames around protocol buffers `Event`, as far as scalars, a text and the start of a session go.
//!
//! Fields and their numbers are those of `event.proto`, `summary.proto` and `tensor.proto` in `tensorboard/compat/proto`. Scalars are written as
//! `simple_value`, a `float`, as PyTorch's `SummaryWriter` does: every reader takes them for scalars, also `EventAccumulator.Scalars`,
//! which leaves TensorFlow 2's tensors out.

use prost::{Message, Oneof};

/// `DT_STRING` of `types.proto`.
const DT_STRING: i32 = 7;
/// `SessionLog.START`.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(oneof = "Content", tags = "3, 5, 7")]
    pub content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    #[prost(int32, tag = "1")]
    pub status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(oneof = "Data", tags = "2, 8")]
    pub data: Option<Data>,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Data {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
    #[prost(string, repeated, tag = "8")]
    pub strings: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub plugin: Option<Plugin>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The first event of a file: the version, from which on [`start`] is understood.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    frame(wall_time, 0, Content::FileVersion("brain.Event:2".to_owned()))
}

/// The start of a session at a step: what earlier files of the folder have from that step on is not shown any more.
pub(super) fn start(wall_time: f64, step: i64) -> Vec<u8> {
    frame(wall_time, step, Content::SessionLog(SessionLog { status: START }))
}

/// Scalars of a step by their tags.
pub(super) fn scalars(wall_time: f64, step: i64, scalars: impl IntoIterator<Item = (String, f64)>) -> Vec<u8> {
    let value = |(tag, value)| SummaryValue { tag, data: Some(Data::Simple(value as f32)), metadata: None };
    frame(wall_time, step, Content::Summary(Summary { values: scalars.into_iter().map(value).collect() }))
}

/// A text, which is shown as Markdown: a tensor of one string for the plugin `text`.
pub(super) fn text(wall_time: f64, step: i64, tag: &str, text: &str) -> Vec<u8> {
    let shape = Shape { dims: vec![Dim { size: 1 }] };
    let tensor = Tensor { dtype: DT_STRING, shape: Some(shape), strings: vec![text.to_owned()] };
    let metadata = Metadata { plugin: Some(Plugin { name: "text".to_owned() }) };
    let value = SummaryValue { tag: tag.to_owned(), data: Some(Data::Tensor(tensor)), metadata: Some(metadata) };
    frame(wall_time, step, Content::Summary(Summary { values: vec![value] }))
}

/// A TFRecord: the length of the event, the checksum of the length, the event, the checksum of the event.
fn frame(wall_time: f64, step: i64, content: Content) -> Vec<u8> {
    let bytes = Event { wall_time, step, content: Some(content) }.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    let (of_length, of_bytes) = (masked_crc32c(&length).to_le_bytes(), masked_crc32c(&bytes).to_le_bytes());
    [&length[..], &of_length, &bytes, &of_bytes].concat()
}

/// CRC-32C as TFRecord stores it: rotated by 15 bits and shifted, so that data that holds checksums does not have one of them as its own.
fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of a file up to where a frame is cut off or damaged.
#[cfg(test)]
pub(super) fn read(mut file: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let Some((length, rest)) = file.split_first_chunk::<8>() else { return events };
        let Some((of_length, rest)) = rest.split_first_chunk::<4>() else { return events };
        let Some((bytes, rest)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else { return events };
        let Some((of_bytes, rest)) = rest.split_first_chunk::<4>() else { return events };
        if masked_crc32c(length).to_le_bytes() != *of_length || masked_crc32c(bytes).to_le_bytes() != *of_bytes {
            return events;
        }
        events.push(Event::decode(bytes).unwrap());
        file = rest;
    }
}

#[cfg(test)]
mod tests {
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
            hex(&scalars(1.5, 20, [("train/loss".to_owned(), 0.1), ("n".to_owned(), 0.0)])),
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

    // from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
    // [f"{masked_crc32c(x):#x}" for x in (b"", b"123456789", bytes(32))]
    #[test]
    fn checksums_are_those_of_tensorboard() {
        let found = [&b""[..], b"123456789", &[0; 32]].map(masked_crc32c);
        assert_eq!(found, [0xa282_ead8, 0xc78a_b0e5, 0x0fd7_fffa]);
    }

    #[test]
    fn events_are_read_back_up_to_a_cut() {
        let scalars = scalars(2.5, 7, [("a".to_owned(), f64::NAN), ("b".to_owned(), -1.0)]);
        let file = [version(1.5), scalars].concat();
        let events = read(&file);
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].step, 7);
        let Some(Content::Summary(Summary { values })) = &events[1].content else { panic!("a summary is expected") };
        assert!(values[0].tag == "a" && matches!(values[0].data, Some(Data::Simple(value)) if value.is_nan()));
        assert!(values[1].tag == "b" && values[1].data == Some(Data::Simple(-1.0)));
        for cut in 1..file.len() {
            assert!(read(&file[..file.len() - cut]).len() < 2);
        }
        let mut damaged = file.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(read(&damaged).len(), 1);
    }
}
