//! The records of a `.wandb` file: protocol buffers `Record`, as far as a run, its configuration, its history and its end go.
//!
//! Fields and their numbers are those of `wandb_internal.proto` in wandb (`wandb/proto`), the same in 0.19 and 0.31. Values are JSON texts; a
//! number that is not finite is `NaN` there, as Python's `json` writes it.

use prost::{Message, Oneof};
use serde_json::{Map, Value};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(int64, tag = "1")]
    pub num: i64,
    #[prost(oneof = "Content", tags = "2, 3, 5, 12, 17, 18, 21")]
    pub content: Option<Content>,
    #[prost(message, optional, tag = "200")]
    pub info: Option<RecordInfo>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(message, tag = "2")]
    History(History),
    #[prost(message, tag = "3")]
    Summary(Summary),
    #[prost(message, tag = "5")]
    Config(Config),
    #[prost(message, tag = "12")]
    Metric(Metric),
    #[prost(message, tag = "17")]
    Run(Run),
    #[prost(message, tag = "18")]
    Exit(Exit),
    #[prost(message, tag = "21")]
    Header(Header),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RecordInfo {
    #[prost(string, tag = "1")]
    pub stream_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct History {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    pub step: Option<HistoryStep>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistoryStep {
    #[prost(int64, tag = "1")]
    pub num: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub update: Vec<Item>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Config {
    #[prost(message, repeated, tag = "1")]
    pub update: Vec<Item>,
}

/// `HistoryItem`, `SummaryItem` and `ConfigItem`, which have the same fields. The first two have a `nested_key` of one part here, the last a `key`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Item {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, repeated, tag = "2")]
    pub nested_key: Vec<String>,
    #[prost(string, tag = "16")]
    pub value_json: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub glob_name: String,
    #[prost(string, tag = "4")]
    pub step_metric: String,
    #[prost(message, optional, tag = "6")]
    pub options: Option<MetricOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricOptions {
    #[prost(bool, tag = "1")]
    pub step_sync: bool,
    #[prost(bool, tag = "3")]
    pub defined: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Run {
    #[prost(string, tag = "1")]
    pub run_id: String,
    #[prost(string, tag = "3")]
    pub project: String,
    #[prost(message, optional, tag = "4")]
    pub config: Option<Config>,
    #[prost(string, tag = "8")]
    pub display_name: String,
    #[prost(string, tag = "13")]
    pub host: String,
    #[prost(message, optional, tag = "17")]
    pub start_time: Option<Timestamp>,
    #[prost(bool, tag = "24")]
    pub resume: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exit {
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
    #[prost(int32, tag = "2")]
    pub runtime: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(message, optional, tag = "1")]
    pub version: Option<Version>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(string, tag = "1")]
    pub producer: String,
}

impl Record {
    /// Reads a record; none if the bytes are not one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }

    /// The step of a row of the history; none of another record.
    pub fn history_step(&self) -> Option<usize> {
        let Some(Content::History(History { step, .. })) = &self.content else { return None };
        usize::try_from(step.as_ref().map_or(0, |step| step.num)).ok()
    }

    /// True if the record ends the run.
    pub fn is_exit(&self) -> bool {
        matches!(self.content, Some(Content::Exit(_)))
    }
}

/// The start of a run, as its file has it.
#[derive(Clone, Debug)]
pub(super) struct RunStart<'a> {
    pub project: &'a str,
    /// None leaves it to the server to find a name.
    pub display_name: Option<&'a str>,
    pub host: &'a str,
    /// Seconds since 1970. Files of one run are imported in this order.
    pub start_time: f64,
    /// True if the run may be on the server already; then the steps here follow those there.
    pub resume: bool,
    pub config: &'a Map<String, Value>,
}

/// Makes the records of a file and numbers them.
#[derive(Debug)]
pub(super) struct Records {
    run_id: String,
    num: i64,
}

impl Records {
    /// Continues the numbers of a file that has so many records.
    pub fn new(run_id: &str, num: i64) -> Self {
        Self { run_id: run_id.to_owned(), num }
    }

    /// The program that writes the file.
    pub fn header(&mut self, producer: &str) -> Vec<u8> {
        self.record(Content::Header(Header { version: Some(Version { producer: producer.to_owned() }) }))
    }

    /// The run.
    pub fn run(&mut self, start: &RunStart<'_>) -> Vec<u8> {
        let seconds = start.start_time.max(0.0);
        let time = Timestamp { seconds: seconds as i64, nanos: (seconds.fract() * 1e9) as i32 };
        let run = Run {
            run_id: self.run_id.clone(),
            project: start.project.to_owned(),
            config: Some(config(start.config)),
            display_name: start.display_name.unwrap_or_default().to_owned(),
            host: start.host.to_owned(),
            start_time: Some(time),
            resume: start.resume,
        };
        self.record(Content::Run(run))
    }

    /// The configuration from here on.
    pub fn config(&mut self, update: &Map<String, Value>) -> Vec<u8> {
        self.record(Content::Config(config(update)))
    }

    /// transformers' `define_metric("train/global_step")`.
    pub fn step_metric(&mut self, name: &str) -> Vec<u8> {
        let options = Some(MetricOptions { step_sync: false, defined: true });
        self.record(Content::Metric(Metric { name: name.to_owned(), options, ..Metric::default() }))
    }

    /// transformers' `define_metric("*", step_metric="train/global_step", step_sync=True)`.
    pub fn all_metrics_over(&mut self, step_metric: &str) -> Vec<u8> {
        let options = Some(MetricOptions { step_sync: true, defined: true });
        let (glob_name, step_metric) = ("*".to_owned(), step_metric.to_owned());
        self.record(Content::Metric(Metric { glob_name, step_metric, options, ..Metric::default() }))
    }

    /// A row of the history. `step` counts the rows of the run.
    pub fn history(&mut self, step: usize, row: &[(String, f64)]) -> Vec<u8> {
        self.record(Content::History(History { items: items(row), step: Some(HistoryStep { num: step as i64 }) }))
    }

    /// The last values, of the run as a whole.
    pub fn summary(&mut self, values: &[(String, f64)]) -> Vec<u8> {
        self.record(Content::Summary(Summary { update: items(values) }))
    }

    /// The end. Without it the run is imported as one that failed.
    pub fn exit(&mut self, exit_code: i32, runtime: f64) -> Vec<u8> {
        self.record(Content::Exit(Exit { exit_code, runtime: runtime as i32 }))
    }

    fn record(&mut self, content: Content) -> Vec<u8> {
        self.num += 1;
        let info = RecordInfo { stream_id: self.run_id.clone() };
        Record { num: self.num, content: Some(content), info: Some(info) }.encode_to_vec()
    }
}

fn config(config: &Map<String, Value>) -> Config {
    let item = |(key, value): (&String, &Value)| Item {
        key: key.clone(),
        nested_key: Vec::new(),
        value_json: value.to_string(),
    };
    Config { update: config.iter().map(item).collect() }
}

fn items(values: &[(String, f64)]) -> Vec<Item> {
    let item = |(key, value): &(String, f64)| Item {
        key: String::new(),
        nested_key: vec![key.clone()],
        value_json: json(*value),
    };
    values.iter().map(item).collect()
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
        let [first, later, exit] = [first, later, exit].map(|record| Record::read(&record).unwrap());
        assert_eq!([first.history_step(), later.history_step(), exit.history_step()], [Some(0), Some(300), None]);
        assert_eq!([first.is_exit(), exit.is_exit()], [false, true]);
        assert_eq!(Record::read(&[0xff; 11]), None);
    }

    #[test]
    fn numbers_are_what_python_reads() {
        let found = [1.0, -0.5, 1e-7, f64::NAN, f64::NEG_INFINITY, 2f64.powi(60), 0.1 + 0.2].map(json);
        let expected = ["1", "-0.5", "1e-7", "NaN", "-Infinity", "1.152921504606847e+18", "0.30000000000000004"];
        assert_eq!(found, expected);
    }
}
