//! Data as it lies about: other columns beside the texts, several positives, texts that are missing, negatives of unlike number. A run either trains
//! what the plain file trains, byte for byte, or says what is wrong.

use std::fs;

use serde_json::{Value, json};

use crate::workspace::Workspace;

/// The run on a file, with settings, without an evaluation.
fn train(workspace: &Workspace, file: &str, settings: &str) -> (Vec<u8>, String) {
    let output = format!("out-{file}");
    let (_, said) = workspace.succeed_and_say(&format!(
        "train RUN.toml --set data.train={file} --set data.eval=[] --set evaluators=[] --set training.output_dir={output} \
         --set training.eval_strategy=no --set training.eval_on_start=false --set training.save_strategy=no {settings}"
    ));
    (fs::read(workspace.path(&output).join("model.safetensors")).unwrap(), said)
}

/// The rows of `train.jsonl`, each changed.
fn rows(workspace: &Workspace, change: impl Fn(usize, &mut Value)) -> String {
    let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let row = |(at, line): (usize, &str)| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        change(at, &mut row);
        format!("{row}\n")
    };
    text.lines().enumerate().map(row).collect()
}

/// A file of the same columns, separated by commas.
fn csv(workspace: &Workspace, header: &str, row: impl Fn(usize, [String; 3]) -> String) -> String {
    let text = fs::read_to_string(workspace.path("train.jsonl")).unwrap();
    let row = |(at, line): (usize, &str)| {
        let value: Value = serde_json::from_str(line).unwrap();
        let cell = |name: &str| format!("\"{}\"", value[name].as_str().unwrap().replace('"', "\"\""));
        row(at, ["query", "positive", "negative"].map(cell)) + "\n"
    };
    format!("{header}\n{}", text.lines().enumerate().map(row).collect::<String>())
}

/// sentence-transformers issue 2791.
#[test]
fn columns_about_texts_play_no_part_wherever_they_stand() {
    let workspace = Workspace::new();
    let (plain, said) = train(&workspace, "train.jsonl", "");
    let line = "train.jsonl: columns by role: query \"query\"; positive \"positive\"; negatives \"negative\"";
    assert_eq!(said.lines().filter(|said| said.ends_with(line)).count(), 1, "{said}");

    workspace.write(
        "before.csv",
        csv(&workspace, "title,prompt,query,id,positive,negative", |at, [query, positive, negative]| {
            format!("a title,answer this,{query},d{at},{positive},{negative}")
        }),
    );
    workspace.write(
        "after.jsonl",
        rows(&workspace, |at, row| {
            row["url"] = json!(format!("https://example.org/{at}"));
            row["tags"] = json!(["one", "two"]);
            row["__index_level_0__"] = json!(format!("row {at}"));
            if at % 3 == 0 {
                row["source_id"] = json!("wiki");
            }
        }),
    );
    for (file, ignored) in
        [("before.csv", "\"title\", \"prompt\", \"id\""), ("after.jsonl", "\"url\", \"tags\", \"__index_level_0__\"")]
    {
        let (weights, said) = train(&workspace, file, "");
        assert!(weights == plain, "{file}");
        assert!(
            said.contains(&format!(
                "{file}: columns by role: query \"query\"; positive \"positive\"; negatives \"negative\"; ignored "
            )),
            "{said}"
        );
        assert!(ignored.split(", ").all(|name| said.contains(name)), "{said}");
        assert!(!said.contains("WARN"), "{said}");
    }
}

#[test]
fn columns_of_other_names_are_given_or_go_by_order() {
    let workspace = Workspace::new();
    let (plain, _) = train(&workspace, "train.jsonl", "");
    let other = |order: &[&str]| {
        let names = [("q", "query"), ("p", "positive"), ("n", "negative"), ("x", "query")];
        csv(&workspace, &order.join(","), |_, cells| {
            let cell = |name: &&str| {
                let role = names.iter().find(|(other, _)| other == name).unwrap().1;
                cells[["query", "positive", "negative"].iter().position(|of| *of == role).unwrap()].clone()
            };
            order.iter().map(cell).collect::<Vec<_>>().join(",")
        })
    };
    workspace.write("order.csv", other(&["q", "p", "n"]));
    let (weights, said) = train(&workspace, "order.csv", "");
    assert!(weights == plain);
    assert!(
        said.contains("WARN order.csv: no name says which column is the query or the positive, so their order decides"),
        "{said}"
    );

    workspace.write("given.csv", other(&["n", "x", "p", "q"]));
    let columns = "--set data.columns.query=q --set data.columns.positive=p --set data.columns.negatives=[\"n\"]";
    assert!(train(&workspace, "given.csv", columns).0 == plain);
    assert_eq!(
        workspace.fail("train RUN.toml --set data.train=given.csv --set data.columns.query=qq"),
        "given.csv: columns: `query`: no column \"qq\"; the nearest is \"q\"; found: \"n\", \"x\", \"p\", \"q\""
    );
}

/// RAGatouille issue 187, FlagEmbedding issue 612.
#[test]
fn several_positives_are_never_negatives() {
    let workspace = Workspace::new();
    let (plain, _) = train(&workspace, "train.jsonl", "");
    for (file, name, negative) in [("positive.jsonl", "positive", "negative"), ("pos.jsonl", "pos", "neg")] {
        workspace.write(
            file,
            rows(&workspace, |at, row| {
                let (positive, negatives) = (row["positive"].take(), json!([row["negative"].take()]));
                let others = json!([positive, format!("another positive {at}")]);
                let query = row["query"].take();
                *row = json!({"query": query, name: others, negative: negatives});
            }),
        );
        assert_eq!(
            workspace.fail(&format!("train RUN.toml --set data.train={file}")),
            format!(
                "{file}: row 0 (counted from 0): column \"{name}\" holds 2 positives, but a row trains one, and any further document would be \
                 a negative; positives = \"first\" takes the first one, \"each\" makes a row of each"
            )
        );
        assert!(train(&workspace, file, "--set data.positives=first").0 == plain, "{file}");
        let (_, said) = train(&workspace, file, "--set data.positives=each");
        assert!(
            said.contains(&format!("{file}: 24 of 24 rows have several positives; each makes a row: 48 rows in all")),
            "{said}"
        );
    }
    // The rows that "each" makes, written out.
    let texts = rows(&workspace, |_, _| ());
    let both = texts.lines().enumerate().map(|(at, line)| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["positive"] = json!(format!("another positive {at}"));
        format!("{line}\n{row}\n")
    });
    workspace.write("both.jsonl", both.collect::<String>());
    let sequential = "--set training.train_sampling_strategy=sequential";
    let each = train(&workspace, "pos.jsonl", &format!("--set data.positives=each {sequential}")).0;
    assert!(train(&workspace, "both.jsonl", sequential).0 == each);

    workspace.write("one.jsonl", rows(&workspace, |_, row| row["positive"] = json!([row["positive"].take()])));
    assert!(train(&workspace, "one.jsonl", "").0 == plain);
}

/// datasets issue 4467: an empty cell, and queries that are numbers.
#[test]
fn a_cell_is_a_text_as_it_is_written() {
    let workspace = Workspace::new();
    let empty = csv(&workspace, "query,positive,negative,note", |at, [query, positive, negative]| match at {
        4 => format!("{query},,{negative},"),
        _ => format!("{query},{positive},{negative},"),
    });
    workspace.write("empty.csv", empty);
    let message = workspace.fail("train RUN.toml --set data.train=empty.csv");
    assert!(
        message.starts_with("empty.csv") && message.contains("column \"positive\" is empty; expected a text"),
        "{message}"
    );
    let (weights, said) = train(&workspace, "empty.csv", "--set data.missing=skip");
    assert!(
        said.contains("empty.csv: 1 of 24 rows lack a text and are left out, the first of them empty.csv"),
        "{said}"
    );
    workspace.write(
        "without.jsonl",
        rows(&workspace, |_, _| ())
            .lines()
            .enumerate()
            .filter(|(at, _)| *at != 4)
            .map(|(_, line)| format!("{line}\n"))
            .collect::<String>(),
    );
    assert!(train(&workspace, "without.jsonl", "").0 == weights);

    let year = |at: usize| format!("{:04}", 7 + at);
    workspace.write("years.jsonl", rows(&workspace, |at, row| row["query"] = json!(year(at))));
    workspace.write(
        "years.csv",
        csv(&workspace, "query,positive,negative", |at, [_, positive, negative]| {
            format!("{},{positive},{negative}", year(at))
        }),
    );
    assert!(train(&workspace, "years.csv", "").0 == train(&workspace, "years.jsonl", "").0);
}

/// sentence-transformers issues 3153 and 3581.
#[test]
fn negatives_of_unlike_number_are_drawn() {
    let workspace = Workspace::new();
    let (plain, _) = train(&workspace, "train.jsonl", "");
    workspace.write(
        "ragged.jsonl",
        rows(&workspace, |at, row| {
            let negatives: Vec<String> = (0..at % 3).map(|more| format!("another negative {at} {more}")).collect();
            let first = row["negative"].take();
            row["negative"] = std::iter::once(first).chain(negatives.into_iter().map(Value::from)).collect();
        }),
    );
    let message = workspace.fail("train RUN.toml --set data.train=ragged.jsonl");
    assert!(
        message.contains("row 1 (counted from 0): 3 documents, but the first row has 2")
            && message.contains("n_negatives = N"),
        "{message}"
    );
    let message = workspace.fail("train RUN.toml --set data.train=ragged.jsonl --set data.n_negatives=2");
    assert!(
        message.contains("row 0 (counted from 0): 1 negatives where n_negatives = 2; short_rows = \"repeat\""),
        "{message}"
    );

    let (drawn, said) = train(&workspace, "ragged.jsonl", "--set data.n_negatives=1");
    assert!(!said.contains("WARN") && drawn != plain, "{said}");
    let (_, said) = train(&workspace, "ragged.jsonl", "--set data.n_negatives=2 --set data.short_rows=repeat");
    assert!(said.contains("ragged.jsonl: 8 of 24 rows have fewer than 2 negatives and repeat them"), "{said}");
    let (_, said) = train(&workspace, "ragged.jsonl", "--set data.n_negatives=2 --set data.short_rows=drop");
    assert!(said.contains("ragged.jsonl: 8 of 24 rows have fewer than 2 negatives and are left out"), "{said}");
    // One negative of one is that negative.
    assert!(train(&workspace, "train.jsonl", "--set data.n_negatives=1").0 == plain);

    // A run that is resumed in its second epoch draws what it would have drawn.
    let run = |more: &str| {
        workspace.succeed(&format!(
            "train RUN.toml --set data.train=ragged.jsonl --set data.n_negatives=1 --set training.eval_strategy=no \
             --set training.eval_on_start=false --set training.save_steps=8 --set training.max_steps=10 {more}"
        ));
        fs::read(workspace.path("output/run/model.safetensors")).unwrap()
    };
    let whole = run("");
    fs::remove_file(workspace.path("output/run/model.safetensors")).unwrap();
    assert!(run("--resume output/run/checkpoint-8") == whole);
}

/// sentence-transformers issue 3153.
#[test]
fn a_teachers_rows_have_as_many_documents() {
    let workspace = Workspace::with_teacher();
    let text = fs::read_to_string(workspace.path("kd/train.jsonl")).unwrap();
    let short = text.lines().enumerate().map(|(at, line)| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        if at == 0 {
            for name in ["document_ids", "scores"] {
                row[name].as_array_mut().unwrap().truncate(2);
            }
        }
        format!("{row}\n")
    });
    workspace.write("kd/short.jsonl", short.collect::<String>());
    workspace.replace("RUN.toml", "n_ways = 4\n", "");
    let message = workspace.fail("train RUN.toml --set data.train=kd/short.jsonl");
    let expected = "8 document_ids, but the first row has 2; expected as many in every row, or n_ways = N to keep the first N of each";
    assert!(
        message.starts_with("kd/short.jsonl: row 1 (counted from 0): query_id ") && message.ends_with(expected),
        "{message}"
    );
    workspace.succeed("train RUN.toml --set data.train=kd/short.jsonl --set data.n_ways=2");

    workspace.replace("kd/short.jsonl", "0.711767", "1e39");
    assert!(
        workspace
            .fail("train RUN.toml --set data.train=kd/short.jsonl --set data.n_ways=2")
            .contains("expected a finite number of 32 bits")
    );
}

#[test]
fn runs_that_cannot_learn_are_said() {
    let workspace = Workspace::new();
    workspace.write(
        "same.jsonl",
        rows(&workspace, |_, row| {
            row["positive"] = json!("the same");
            row["negative"] = json!("the same");
        }),
    );
    let (_, said) = train(&workspace, "same.jsonl", "--set training.learning_rate=0");
    assert!(said.contains("WARN same.jsonl: all documents of 24 rows are the same text"), "{said}");
    assert!(said.contains("WARN the learning rate is 0 at all of 3 steps"), "{said}");
    workspace.write(
        "pairs.jsonl",
        rows(&workspace, |_, row| {
            row.as_object_mut().unwrap().remove("negative");
        }),
    );
    let (_, said) = train(&workspace, "pairs.jsonl", "--set training.per_device_train_batch_size=1");
    assert!(said.contains("a batch is one row without negatives, so the loss is 0 at every step"), "{said}");
}

/// RAGatouille issues 124 and 67.
#[test]
fn a_query_length_beyond_the_encoder_is_cut() {
    let workspace = Workspace::new();
    let (_, said) = train(&workspace, "train.jsonl", "--set model.query_length=6000");
    assert!(said.contains("query_length = 6000 is more than the encoder's limit"), "{said}");
    let length = workspace.json("out-train.jsonl/config_sentence_transformers.json")["query_length"].as_u64();
    assert!(length.is_some_and(|length| length < 6000), "{length:?}");
}
