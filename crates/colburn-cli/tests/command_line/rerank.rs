//! `colburn rerank`: candidates in any of the formats come out in the order of their scores.

use crate::search::{CORPUS, found, ids};
use crate::workspace::Workspace;

const RERANK: &str = "rerank --model model --queries queries.jsonl --documents corpus.jsonl";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("corpus.jsonl", CORPUS);
    workspace.write(
        "queries.jsonl",
        "{\"id\": \"a\", \"text\": \"what the law means\"}\n{\"id\": 2, \"text\": \"salt in the water\"}\n{\"id\": \"unused\", \"text\": \"\"}\n",
    );
    workspace
}

#[test]
fn candidates_come_out_in_the_order_of_their_scores() {
    let workspace = workspace();
    workspace.write(
        "lists.jsonl",
        "{\"query_id\": 2, \"document_ids\": [\"moon\", 7, \"salt\"]}\n{\"query_id\": \"a\", \"document_ids\": [\"song\", \"law\"]}\n",
    );
    workspace.write("lists.trec", "2 Q0 moon 1 3 x\na Q0 song 1 2 x\n2 Q0 7 2 2 x\n2 Q0 salt 3 1 x\na Q0 law 2 1 x\n");
    let printed = workspace.succeed(&format!("{RERANK} --candidates lists.jsonl --output lists.out.jsonl"));
    assert_eq!(printed, "2 queries, 5 results: lists.out.jsonl\n");
    let lists = found(&workspace, "lists.out.jsonl");
    assert_eq!(lists.iter().map(|(query, _)| query.as_str()).collect::<Vec<_>>(), ["2", "a"]);
    assert_eq!((ids(&lists[0].1)[0], ids(&lists[1].1)), ("salt", vec!["law", "song"]));
    assert!(lists[0].1.is_sorted_by(|a, b| a.1 >= b.1) && lists[0].1.len() == 3);

    workspace.succeed(&format!("{RERANK} --candidates lists.trec --output trec.out.jsonl"));
    assert_eq!(found(&workspace, "trec.out.jsonl"), lists);
    workspace.succeed(&format!("{RERANK} --candidates lists.out.jsonl --output again.jsonl --k 1 --batch-size 2"));
    let again = found(&workspace, "again.jsonl");
    assert_eq!((ids(&again[0].1), ids(&again[1].1)), (vec!["salt"], vec!["law"]));
}

#[test]
fn what_a_search_found_is_reranked() {
    let workspace = workspace();
    workspace.succeed("index create --index index --model model --input corpus.jsonl");
    let search = "search --index index --model model --queries queries.jsonl --output";
    for name in ["run.jsonl", "run.trec"] {
        workspace.succeed(&format!("{search} {name}"));
        workspace.succeed(&format!("{RERANK} --candidates {name} --output reranked-{name}"));
    }
    // The same model: what was best is best.
    let (run, reranked) = (found(&workspace, "run.jsonl"), found(&workspace, "reranked-run.jsonl"));
    for ((query, run), (same, reranked)) in run.iter().zip(&reranked) {
        assert_eq!((query, run.len(), &run[0].0), (same, reranked.len(), &reranked[0].0));
    }
}

#[test]
fn unknown_ids_are_named_with_their_line() {
    let workspace = workspace();
    let rerank = |candidates: &str| {
        workspace.write("lists.jsonl", candidates);
        workspace.fail(&format!("{RERANK} --candidates lists.jsonl --output out.jsonl"))
    };
    assert_eq!(
        rerank(
            "{\"query_id\": \"a\", \"document_ids\": [\"song\"]}\n{\"query_id\": \"b\", \"document_ids\": [\"song\"]}\n"
        ),
        "lists.jsonl:2: the query \"b\" is not in queries.jsonl"
    );
    assert_eq!(
        rerank("\n{\"query_id\": \"a\", \"document_ids\": [\"song\", \"sang\"]}\n"),
        "lists.jsonl:2: the document \"sang\" is not in corpus.jsonl"
    );
    assert_eq!(rerank(""), "lists.jsonl: an empty file (0 bytes)");
    assert_eq!(rerank("\n"), "lists.jsonl: there are no candidates in it");
    assert!(!workspace.path("out.jsonl").exists());
    // What TREC's format has no room for is said before anything is looked up.
    for (candidates, id) in [("\"a b\", \"document_ids\": []", "a b"), ("\"a\", \"document_ids\": [\"c d\"]", "c d")] {
        workspace.write("lists.jsonl", format!("{{\"query_id\": {candidates}}}\n"));
        let message = workspace.fail(&format!("{RERANK} --candidates lists.jsonl --output out.trec"));
        assert_eq!(
            message,
            format!("the id {id:?}: TREC's format has blanks between its columns; write a .jsonl file")
        );
    }
}
