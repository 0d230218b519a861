//! The records of a `.wandb` file: protocol buffers `Record`, as far as a run, its configuration, its history and its end go.
//!
//! Field numbers are those of `wandb_internal.proto` in wandb (`wandb/proto`), the same in 0.19 and 0.31. Values are JSON texts;
//! numbers that are none are `NaN` there, as Python's `json` writes them.

use serde_json::{Map, Value};

use super::protobuf::{Message, bytes_of, integer_of};

// The fields of `Record`: its number, one of the kinds of content, `_info` with the id of the run.
const NUM: u32 = 1;
const HISTORY: u32 = 2;
const SUMMARY: u32 = 3;
const CONFIG: u32 = 5;
const METRIC: u32 = 12;
const RUN: u32 = 17;
const EXIT: u32 = 18;
const HEADER: u32 = 21;
const INFO: u32 = 200;

/// What is said of a run when its file begins.
#[derive(Clone, Debug)]
pub(super) struct RunStart<'a> {
    pub project: &'a str,
    /// None leaves it to the server to find a name.
    pub display_name: Option<&'a str>,
    pub host: &'a str,
    /// Seconds since 1970. Files of one run are imported in this order.
    pub start_time: f64,
    /// Whether the run may be on the server already; then the steps here follow those there.
    pub resume: bool,
    pub config: &'a Map<String, Value>,
}

/// Numbers the records of a file.
#[derive(Debug)]
pub(super) struct Records {
    run_id: String,
    num: i64,
}

impl Records {
    /// Numbers on from a file that has so many records.
    pub fn new(run_id: &str, num: i64) -> Self {
        Self { run_id: run_id.to_owned(), num }
    }

    /// What wrote the file.
    pub fn header(&mut self, producer: &str) -> Vec<u8> {
        let version = Message::default().text(1, producer);
        self.record(HEADER, Message::default().message(1, version))
    }

    /// The run.
    pub fn run(&mut self, start: &RunStart<'_>) -> Vec<u8> {
        let seconds = start.start_time.max(0.0);
        let time = Message::default().integer(1, seconds as i64).integer(2, (seconds.fract() * 1e9) as i64);
        let run = Message::default().text(1, &self.run_id).text(3, start.project).message(4, config(start.config));
        let run = start.display_name.into_iter().fold(run, |run, name| run.text(8, name));
        let run = run.text(13, start.host).message(17, time).integer(24, start.resume.into());
        self.record(RUN, run)
    }

    /// The configuration as it is from here on.
    pub fn config(&mut self, update: &Map<String, Value>) -> Vec<u8> {
        self.record(CONFIG, config(update))
    }

    /// transformers' `define_metric("train/global_step")`.
    pub fn step_metric(&mut self, name: &str) -> Vec<u8> {
        let defined = Message::default().integer(3, 1);
        self.record(METRIC, Message::default().text(1, name).message(6, defined))
    }

    /// transformers' `define_metric("*", step_metric="train/global_step", step_sync=True)`.
    pub fn all_metrics_over(&mut self, step_metric: &str) -> Vec<u8> {
        let synced = Message::default().integer(1, 1).integer(3, 1);
        self.record(METRIC, Message::default().text(2, "*").text(4, step_metric).message(6, synced))
    }

    /// A row of the history. `step` counts the rows of the run.
    pub fn history(&mut self, step: usize, row: &[(String, f64)]) -> Vec<u8> {
        let history = items(1, row).message(2, Message::default().integer(1, step as i64));
        self.record(HISTORY, history)
    }

    /// The last values, of the run as a whole.
    pub fn summary(&mut self, values: &[(String, f64)]) -> Vec<u8> {
        self.record(SUMMARY, items(1, values))
    }

    /// The end. Without it the run is imported as one that failed.
    pub fn exit(&mut self, code: i64, runtime: f64) -> Vec<u8> {
        self.record(EXIT, Message::default().integer(1, code).integer(2, runtime as i64))
    }

    fn record(&mut self, kind: u32, content: Message) -> Vec<u8> {
        self.num += 1;
        let info = Message::default().text(1, &self.run_id);
        Message::default().integer(NUM, self.num).message(kind, content).message(INFO, info).into_bytes()
    }
}

/// The step of a row of the history; none of another record.
pub(super) fn history_step(record: &[u8]) -> Option<usize> {
    let step = bytes_of(bytes_of(record, HISTORY)?, 2).map_or(0, |step| integer_of(step, 1));
    usize::try_from(step).ok()
}

/// Whether a record ends the run.
pub(super) fn is_exit(record: &[u8]) -> bool {
    bytes_of(record, EXIT).is_some()
}

/// `ConfigRecord`: `update` (1) of `ConfigItem`, `key` (1) and `value_json` (16).
fn config(config: &Map<String, Value>) -> Message {
    config.iter().fold(Message::default(), |record, (key, value)| {
        record.message(1, Message::default().text(1, key).text(16, &value.to_string()))
    })
}

/// `HistoryItem` and `SummaryItem`: `nested_key` (2), here of one part, and `value_json` (16).
fn items(field: u32, values: &[(String, f64)]) -> Message {
    values.iter().fold(Message::default(), |record, (key, value)| {
        record.message(field, Message::default().text(2, key).text(16, &json(*value)))
    })
}

/// A whole number without a point, as Python's integers come out of JSON.
fn json(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        value if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        value => Value::from(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // wandb 0.31:
    //     from wandb.proto import wandb_internal_pb2 as pb
    //     from google.protobuf.timestamp_pb2 import Timestamp
    //     info = {"stream_id": "abcd1234"}
    //     def hex(num, **content): return pb.Record(num=num, _info=info, **content).SerializeToString().hex()
    #[test]
    fn bytes_are_those_of_wandb() {
        let config = json!({"learning_rate": 1e-5, "seed": 42});
        let config = config.as_object().unwrap();
        let mut records = Records::new("abcd1234", 0);
        // hex(1, header=pb.HeaderRecord(version_info=pb.VersionInfo(producer="colburn 0.1.0")))
        assert_eq!(
            hex(&records.header("colburn 0.1.0")),
            "0801aa01110a0f0a0d636f6c6275726e20302e312e30c20c0a0a086162636431323334"
        );
        // items = [pb.ConfigItem(key="learning_rate", value_json="0.00001"), pb.ConfigItem(key="seed", value_json="42")]
        // hex(2, run=pb.RunRecord(run_id="abcd1234", project="huggingface", config=pb.ConfigRecord(update=items), display_name="my run",
        //     host="box", start_time=Timestamp(seconds=1795432341, nanos=500000000), resume=True))
        let start = RunStart {
            project: "huggingface",
            display_name: Some("my run"),
            host: "box",
            start_time: 1_795_432_341.5,
            resume: true,
            config,
        };
        assert_eq!(
            hex(&records.run(&start)),
            "08028a01600a0861626364313233341a0b68756767696e676661636522280a190a0d6c6561726e696e675f72617465820107302e30303030310a0b0a0473656564820102343242066d792072756e6a03626f788a010c0895bf90d8061080cab5ee01c00101c20c0a0a086162636431323334"
        );
        // hex(3, config=pb.ConfigRecord(update=items))
        assert_eq!(
            hex(&records.config(config)),
            "08032a280a190a0d6c6561726e696e675f72617465820107302e30303030310a0b0a04736565648201023432c20c0a0a086162636431323334"
        );
        // hex(4, metric=pb.MetricRecord(name="train/global_step", options=pb.MetricOptions(defined=True)))
        assert_eq!(
            hex(&records.step_metric("train/global_step")),
            "080462170a11747261696e2f676c6f62616c5f7374657032021801c20c0a0a086162636431323334"
        );
        // hex(5, metric=pb.MetricRecord(glob_name="*", step_metric="train/global_step", options=pb.MetricOptions(step_sync=True, defined=True)))
        assert_eq!(
            hex(&records.all_metrics_over("train/global_step")),
            "0805621c12012a2211747261696e2f676c6f62616c5f73746570320408011801c20c0a0a086162636431323334"
        );
        // row = [pb.HistoryItem(nested_key=[key], value_json=json.dumps(value)) for key, value in {"train/loss": 0.1, "train/global_step": 20}.items()]
        // hex(6, history=pb.HistoryRecord(item=row, step=pb.HistoryStep(num=3)))
        let row = [("train/loss".to_owned(), 0.1), ("train/global_step".to_owned(), 20.0)];
        assert_eq!(
            hex(&records.history(3, &row)),
            "080612320a12120a747261696e2f6c6f7373820103302e310a181211747261696e2f676c6f62616c5f73746570820102323012020803c20c0a0a086162636431323334"
        );
        // hex(7, summary=pb.SummaryRecord(update=[pb.SummaryItem(nested_key=["train_loss"], value_json="NaN")]))
        assert_eq!(
            hex(&records.summary(&[("train_loss".to_owned(), f64::NAN)])),
            "08071a140a12120a747261696e5f6c6f73738201034e614ec20c0a0a086162636431323334"
        );
        // hex(8, exit=pb.RunExitRecord(exit_code=255, runtime=12))
        assert_eq!(hex(&records.exit(255, 12.7)), "080892010508ff01100cc20c0a0a086162636431323334");
    }

    #[test]
    fn rows_and_the_end_are_found_again() {
        let mut records = Records::new("abcd1234", 0);
        let row = [("train/loss".to_owned(), 1.0)];
        let (first, later, exit) = (records.history(0, &row), records.history(300, &row), records.exit(0, 0.0));
        assert_eq!([history_step(&first), history_step(&later), history_step(&exit)], [Some(0), Some(300), None]);
        assert_eq!([is_exit(&first), is_exit(&exit)], [false, true]);
    }

    #[test]
    fn numbers_are_what_python_reads() {
        let found = [1.0, -0.5, 1e-7, f64::NAN, f64::NEG_INFINITY, 2f64.powi(60), 0.1 + 0.2].map(json);
        let expected = ["1", "-0.5", "1e-7", "NaN", "-Infinity", "1.152921504606847e+18", "0.30000000000000004"];
        assert_eq!(found, expected);
    }
}
