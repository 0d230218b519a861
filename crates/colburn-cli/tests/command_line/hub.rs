//! Names of the hub where there could be paths: models, data sets and collections are fetched from a small hub, and nothing that the binary says
//! or writes has the token in it.

use std::{fs, path::Path, process::Output};

use crate::{
    server::{READ, Server, WRITE},
    workspace::{Workspace, fixtures},
};

/// A hub with the files of a workspace, and that workspace without them.
fn served() -> (Server, Workspace) {
    let (server, workspace) = (Server::start(), Workspace::new());
    let commit = server.add_model_folder("org/tiny", &fixtures().join("tiny-colbert"));
    server.state().repository("models", "org/tiny").branches.insert("v1".to_owned(), commit);
    let [train, eval] = ["train.jsonl", "eval.jsonl"].map(|name| fs::read(workspace.path(name)).unwrap());
    server.add_dataset("org/triplets", &[("data/train.jsonl", &train), ("data/validation.jsonl", &eval)]);
    server.add_dataset_folder("zeta-alpha-ai/NanoSciFact", &fixtures().join("retrieval/first"));
    for name in ["org/tiny", "org/triplets", "zeta-alpha-ai/NanoSciFact"] {
        server
            .state()
            .repositories
            .iter_mut()
            .filter(|((_, known), _)| known == name)
            .for_each(|(_, found)| found.private = true);
    }
    (server, workspace)
}

/// Runs the binary with the hub and a token, and everything that is logged; and looks for the token in what it says.
fn run(workspace: &Workspace, server: &Server, token: &str, arguments: &str) -> Output {
    let mut command = workspace.command(arguments);
    command
        .env("HF_ENDPOINT", &server.endpoint)
        .env("HF_TOKEN", token)
        .env("HF_HUB_OFFLINE", "0")
        .env("RUST_LOG", "trace");
    let output = command.output().unwrap();
    for said in [&output.stdout, &output.stderr] {
        assert!(!holds(said, token), "colburn {arguments} tells the token:\n{}", String::from_utf8_lossy(said));
    }
    output
}

fn succeed(workspace: &Workspace, server: &Server, arguments: &str) -> String {
    let output = run(workspace, server, READ, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "colburn {arguments}: {}", said.lines().last().unwrap_or_default());
    // Otherwise it would be no wonder that the token is not in it.
    assert!(said.contains("DEBUG") && said.contains("TRACE"), "{said}");
    said
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn assert_nowhere(folder: &Path, token: &str) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => assert_nowhere(&path, token),
            path => assert!(!holds(&fs::read(&path).unwrap(), token), "{}", path.display()),
        }
    }
}

#[test]
fn a_run_of_names_is_that_of_files() {
    let (server, named) = served();
    named.replace("RUN.toml", "\"model\"", "\"org/tiny@v1\"");
    named.replace("RUN.toml", "\"train.jsonl\"", "\"org/triplets\"");
    named.replace("RUN.toml", "\"eval.jsonl\"", "\"org/triplets::validation\"");
    succeed(&named, &server, "train RUN.toml");
    let local = Workspace::new();
    local.succeed("train RUN.toml");
    for key in ["loss", "eval_accuracy", "eval_loss"] {
        assert_eq!(named.logged(key), local.logged(key), "{key}");
    }
    let weights = |workspace: &Workspace| fs::read(workspace.path("output/run/model.safetensors")).unwrap();
    assert!(weights(&named) == weights(&local));
    assert_nowhere(&named.path(""), READ);

    // What is in the cache needs no hub.
    server.forget();
    named.succeed("train RUN.toml --set training.output_dir=output/again");
    assert!(server.seen("").is_empty());
}

#[test]
fn a_model_is_named_wherever_there_is_one() {
    let (server, workspace) = served();
    workspace.write("texts.txt", "late interaction\nof tokens\n");
    let encode = "--kind document --input texts.txt";
    workspace.succeed(&format!("encode --model model {encode} --output local.safetensors"));
    succeed(&workspace, &server, &format!("encode --model org/tiny@v1 {encode} --output named.safetensors"));
    let bytes = |name: &str| fs::read(workspace.path(name)).unwrap();
    assert!(bytes("local.safetensors") == bytes("named.safetensors"));

    // Shards and indexes remember the model by its files, wherever these lie.
    workspace.succeed(&format!("encode --model model {encode} --output local/ --shard-size 1"));
    succeed(&workspace, &server, &format!("encode --model org/tiny {encode} --output named/ --shard-size 1"));
    let manifest = |folder: &str| workspace.json(&format!("{folder}/manifest.json"));
    assert_eq!(manifest("named")["model"], manifest("local")["model"]);
    assert!(!manifest("named")["model"].as_object().unwrap().is_empty());
    assert_eq!(manifest("named")["model_name_or_path"], "org/tiny");

    succeed(&workspace, &server, "index create --model org/tiny --input texts.txt --index index");
    let said =
        succeed(&workspace, &server, "search --model org/tiny --index index --queries texts.txt --output out.jsonl");
    assert!(!said.contains("other weights") && !said.contains("another model"), "{said}");
    let (_, said) =
        workspace.succeed_and_say("search --model model --index index --queries texts.txt --output out.jsonl");
    assert!(!said.contains("other weights"), "{said}");
}

#[test]
fn an_evaluation_fetches_its_data() {
    let (server, workspace) = served();
    let evaluate = |nano: &str, triplets: &str, output: &str| {
        format!("evaluate --model org/tiny --nano {nano} --triplets {triplets} --output {output}")
    };
    succeed(&workspace, &server, &evaluate("SciFact", "org/triplets:default:validation", "named.json"));
    assert!(workspace.json("named.json")["NanoSciFact_MaxSim_ndcg@10"].is_f64());
    workspace.succeed(&format!(
        "evaluate --model model --nano {} --triplets eval.jsonl --output local.json",
        fixtures().join("retrieval/first").display()
    ));
    let local = workspace.json("local.json");
    let named = workspace.json("named.json");
    assert_eq!(named["NanoSciFact_MaxSim_map@100"], local["NanoFirst_MaxSim_map@100"]);
    assert_eq!(named["accuracy"], local["accuracy"]);
    // A collection that is there is not looked up again.
    server.forget();
    succeed(&workspace, &server, &evaluate("NanoSciFact", "eval.jsonl", "again.json"));
    assert!(server.seen("NanoSciFact").is_empty());
}

#[test]
fn what_cannot_be_fetched_is_one_line() {
    let (server, workspace) = served();
    workspace.write("texts.txt", "text\n");
    let fail = |token: &str, arguments: &str| {
        let output = run(&workspace, &server, token, arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().last().unwrap_or_default().to_owned()
    };
    let encode =
        |model: &str| format!("encode --model {model} --kind query --input texts.txt --output out.safetensors");
    let error = fail(READ, &encode("org/absent"));
    assert!(
        error
            .starts_with("error: there is no folder `org/absent`, and from the hub: model org/absent, revision main: "),
        "{error}"
    );
    let error = fail("hf_anExpiredTokenThatNobodyMaySee", &encode("org/tiny"));
    assert!(error.contains("the hub did not accept the token (401)"), "{error}");
    let error = fail(WRITE, &encode("org/tiny@v9"));
    assert!(error.contains("revision v9: it has no such revision"), "{error}");
    let error = fail(READ, "evaluate --model model --triplets org/absent --output out.json");
    assert!(error.contains("no data file matches \"org/absent\", and from the hub: data set org/absent"), "{error}");
    let error = fail(READ, "evaluate --model model --nano nq --output out.json");
    assert!(
        error.contains("NanoNQ: no folder of collections is given; from the hub: data set zeta-alpha-ai/NanoNQ"),
        "{error}"
    );

    // Without a network it is said what is missing.
    let error = workspace.fail(&encode("org/tiny"));
    assert!(error.contains("model org/tiny, revision main: it is not in the cache ("), "{error}");
}
