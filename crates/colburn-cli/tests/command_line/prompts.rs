//! Prompts: those that are given, those that are saved with the model under a name, and what is said of those that are left out.

use std::fs;

use crate::workspace::Workspace;

/// A workspace with a model that has saved prompts.
fn workspace(default: Option<&str>) -> Workspace {
    let workspace = Workspace::new();
    let name = "model/config_sentence_transformers.json";
    let mut config = workspace.json(name);
    config["prompts"] = serde_json::json!({"query": "search_query: ", "document": "search_document: ", "none": ""});
    config["default_prompt_name"] = serde_json::json!(default);
    workspace.write(name, config.to_string());
    workspace.write("queries.jsonl", "{\"_id\": \"a\", \"text\": \"a river\"}\n");
    workspace.write(
        "corpus.jsonl",
        "{\"_id\": \"d\", \"text\": \"the river runs\"}\n{\"_id\": \"e\", \"text\": \"music\"}\n",
    );
    workspace.write("prompted-queries.jsonl", "{\"_id\": \"a\", \"text\": \"search_query: a river\"}\n");
    workspace.write(
        "prompted-corpus.jsonl",
        "{\"_id\": \"d\", \"text\": \"search_document: the river runs\"}\n{\"_id\": \"e\", \"text\": \"search_document: music\"}\n",
    );
    workspace.write("run.trec", "a Q0 d 1 2 x\na Q0 e 2 1 x\n");
    workspace
}

const SAVED: &str = "model: its saved prompts (\"query\", \"document\") are left out before";

#[test]
fn encode_puts_a_prompt_before_texts() {
    let workspace = workspace(None);
    let encode = |more: &str| {
        let (_, said) =
            workspace.succeed_and_say(&format!("encode --model model --kind query --output out.safetensors {more}"));
        (fs::read(workspace.path("out.safetensors")).unwrap(), said)
    };
    let (plain, said) = encode("--input queries.jsonl");
    assert!(said.contains(&format!("{SAVED} the texts; --prompt-name NAME puts one there\n")), "{said}");
    let (named, said) = encode("--input queries.jsonl --prompt-name query");
    assert!(!said.contains(SAVED), "{said}");
    let prompted = encode("--input prompted-queries.jsonl --prompt-name none").0;
    assert!(named == prompted && named != plain);
    // An empty prompt is one that was meant.
    let mut command =
        workspace.command("encode --model model --kind query --input queries.jsonl --output out.safetensors --prompt");
    let output = command.arg("").output().unwrap();
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains(SAVED));
    assert!(fs::read(workspace.path("out.safetensors")).unwrap() == plain);

    let fail = "encode --model model --kind query --input queries.jsonl --output other.safetensors --prompt-name";
    assert_eq!(
        workspace.fail(&format!("{fail} querry")),
        "prompt_name: \"querry\" is no saved prompt; the prompts of the model are \"query\", \"document\", \"none\""
    );
    assert!(!workspace.path("other.safetensors").exists());
    let both = workspace.command(&format!("{fail} query --prompt x")).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_default_prompt_is_put_there_unasked() {
    let workspace = workspace(Some("query"));
    let encode = |more: &str| {
        let (_, said) =
            workspace.succeed_and_say(&format!("encode --model model --kind query --output out.safetensors {more}"));
        assert!(!said.contains("left out"), "{said}");
        fs::read(workspace.path("out.safetensors")).unwrap()
    };
    assert!(encode("--input queries.jsonl") == encode("--input prompted-queries.jsonl --prompt-name none"));
}

#[test]
fn index_search_and_rerank_put_prompts_before_texts() {
    let workspace = workspace(None);
    let (_, said) = workspace.succeed_and_say("index create --index plain --model model --input corpus.jsonl");
    assert!(said.contains(&format!("{SAVED} the documents; --prompt-name NAME")), "{said}");
    let (_, said) = workspace
        .succeed_and_say("index create --index named --model model --input corpus.jsonl --prompt-name document");
    assert!(!said.contains(SAVED), "{said}");
    workspace.succeed("index create --index given --model model --prompt-name none --input prompted-corpus.jsonl");
    let search = |more: &str| workspace.succeed_and_say(&format!("search --model model {more}"));
    let (named, said) = search("--index named --queries queries.jsonl --prompt-name query");
    assert!(!said.contains(SAVED), "the documents of an index are encoded already: {said}");
    assert_eq!(
        named,
        search("--index given --queries prompted-queries.jsonl --query-prompt-name none")
            .0
            .replace("search_query: ", "")
    );
    let (plain, said) = search("--index plain --queries queries.jsonl");
    assert!(named != plain && said.contains(&format!("{SAVED} the queries; --query-prompt-name NAME")), "{said}");
    let both = "--query-prompt-name query --corpus-prompt-name document";
    let none = "--query-prompt-name none --corpus-prompt-name none";
    let named = search(&format!("--corpus corpus.jsonl --queries queries.jsonl {both}")).0;
    let prompted = search(&format!("--corpus prompted-corpus.jsonl --queries prompted-queries.jsonl {none}")).0;
    assert_eq!(named, prompted.replace("search_query: ", ""));
    let (_, said) = search("--corpus corpus.jsonl --queries queries.jsonl");
    let expected = format!(
        "{SAVED} the queries and the documents; --query-prompt-name NAME, --corpus-prompt-name NAME puts one there"
    );
    assert!(said.contains(&expected), "{said}");
    let message = workspace.fail("search --model model --index named --query x --corpus-prompt y");
    assert_eq!(
        message,
        "--corpus-prompt: the documents of an index are encoded already; give their prompt to `index create`"
    );

    let rerank = |queries: &str, corpus: &str, more: &str| {
        workspace.succeed(&format!(
            "rerank --model model --queries {queries} --documents {corpus} --candidates run.trec --output out.run {more}"
        ));
        fs::read_to_string(workspace.path("out.run")).unwrap()
    };
    let names = "--prompt-name query --document-prompt-name document";
    let none = "--prompt-name none --document-prompt-name none";
    let named = rerank("queries.jsonl", "corpus.jsonl", names);
    assert_eq!(named, rerank("prompted-queries.jsonl", "prompted-corpus.jsonl", none));
    assert_ne!(named, rerank("queries.jsonl", "corpus.jsonl", none));

    // Documents of one index have one prompt.
    let add = "index add --index named --model model --input corpus.jsonl";
    let message = workspace.fail(add);
    assert!(
        message.contains("were encoded with prompt \"search_document: \", these would be with \"\"; encode them alike"),
        "{message}"
    );
    workspace.succeed(&format!("{add} --prompt-name document"));
}

#[test]
fn evaluate_puts_prompts_before_texts() {
    let workspace = workspace(None);
    for (folder, prompted) in [("beir", ""), ("prompted", "prompted-")] {
        fs::create_dir_all(workspace.path(&format!("{folder}/beir/qrels"))).unwrap();
        for part in ["queries.jsonl", "corpus.jsonl"] {
            let from = workspace.path(&format!("{prompted}{part}"));
            fs::copy(from, workspace.path(&format!("{folder}/beir/{part}"))).unwrap();
        }
        workspace.write(&format!("{folder}/beir/qrels/test.tsv"), "query-id\tcorpus-id\tscore\na\te\t1\n");
    }
    let name = "Information-Retrieval_evaluation_beir_predictions_MaxSim.jsonl";
    let evaluate = |folder: &str, more: &str| {
        let (_, said) = workspace.succeed_and_say(&format!(
            "evaluate --model model --beir {folder}/beir --write-predictions --output out.json {more}"
        ));
        (fs::read_to_string(workspace.path(name)).unwrap(), said)
    };
    let (named, said) = evaluate("beir", "--query-prompt-name query --corpus-prompt-name document");
    assert!(!said.contains(SAVED), "{said}");
    let (prompted, _) = evaluate("prompted", "--prompt-name none --document-prompt-name none");
    assert_eq!(named, prompted.replace("search_query: ", ""));
    let (plain, said) = evaluate("beir", "");
    assert!(plain != named && said.contains(&format!("{SAVED} the queries and the documents; ")), "{said}");
    assert_eq!(said.matches(SAVED).count(), 1);
    let message = workspace.fail("evaluate --model model --beir beir/beir --output no.json --query-prompt-name querry");
    assert!(
        message.starts_with("prompt_name: \"querry\" is no saved prompt; the prompts of the model are \"query\", "),
        "{message}"
    );
}

#[test]
fn triplets_have_prompts_too() {
    let workspace = workspace(None);
    let row = |query: &str, positive: &str, negative: &str| {
        format!("{}\n", serde_json::json!({"query": query, "positive": positive, "negative": negative}))
    };
    let rows = [("a river", "the river runs", "music"), ("music", "the river runs", "music plays")];
    let plain: String = rows.iter().map(|(query, positive, negative)| row(query, positive, negative)).collect();
    let document = |text: &str| format!("search_document: {text}");
    let prompted: String = rows
        .iter()
        .map(|(query, positive, negative)| {
            row(&format!("search_query: {query}"), &document(positive), &document(negative))
        })
        .collect();
    workspace.write("triplets.jsonl", plain);
    workspace.write("prompted.jsonl", prompted);
    let evaluate = |file: &str, more: &str| {
        let (_, said) =
            workspace.succeed_and_say(&format!("evaluate --model model --triplets {file} --output out.json {more}"));
        (workspace.json("out.json")["accuracy"].as_f64().unwrap(), said)
    };
    let (named, said) = evaluate("triplets.jsonl", "--query-prompt-name query --corpus-prompt-name document");
    assert!(!said.contains(SAVED), "{said}");
    let (expected, said) = evaluate("prompted.jsonl", "");
    assert_eq!(named, expected);
    assert!(said.contains(&format!("{SAVED} the queries and the documents; ")), "{said}");
    let message =
        workspace.fail("evaluate --model model --triplets triplets.jsonl --output no.json --query-prompt-name querry");
    assert!(message.contains("\"querry\" is no saved prompt"), "{message}");
}
