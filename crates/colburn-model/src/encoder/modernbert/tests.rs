//! The configuration: its two generations of spelling, and the values that are refused.

use super::*;

fn read(json: &str) -> ModernBertConfig {
    serde_json::from_str(json).unwrap()
}

#[test]
fn old_and_new_spellings_say_the_same() {
    let old = read(
        r#"{"num_hidden_layers": 4, "global_attn_every_n_layers": 2, "global_rope_theta": 80000.0,
            "local_rope_theta": 5000.0, "local_attention": 64}"#,
    );
    let new = read(
        r#"{"num_hidden_layers": 4, "local_attention": 64,
            "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {"full_attention": {"rope_theta": 80000.0, "rope_type": "default"},
                                "sliding_attention": {"rope_theta": 5000.0, "rope_type": "default"}}}"#,
    );
    for config in [old, new] {
        assert_eq!(config.problem(), None);
        assert_eq!([0, 1, 2, 3].map(|layer| config.is_global(layer)), [true, false, true, false]);
        assert_eq!((config.thetas().global, config.thetas().local), (80_000.0, 5000.0));
    }
    let plain = read("{}");
    assert_eq!((plain.thetas().global, plain.thetas().local), (160_000.0, 10_000.0));
    assert_eq!(read(r#"{"local_rope_theta": null}"#).thetas().local, 160_000.0);
}

#[test]
fn problems_name_the_key() {
    let cases = [
        (r#"{"layer_types": ["full_attention"]}"#, "num_hidden_layers = 22"),
        (r#"{"num_hidden_layers": 1, "layer_types": ["chunked_attention"]}"#, "layer_types has \"chunked_attention\""),
        (r#"{"global_attn_every_n_layers": 0}"#, "global_attn_every_n_layers = 0"),
        (r#"{"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#, "full_attention.rope_type = \"yarn\""),
        (r#"{"rope_scaling": {"type": "linear", "factor": 2.0}}"#, "rope_scaling.rope_type = \"linear\""),
        (r#"{"local_rope_theta": 0.0}"#, "rope_theta of local layers is 0"),
        (r#"{"hidden_size": 60}"#, "hidden_size / num_attention_heads = 60 / 12"),
        (r#"{"hidden_activation": "prelu"}"#, "hidden_activation = \"prelu\""),
    ];
    for (json, expected) in cases {
        let problem = read(json).problem().unwrap();
        assert!(problem.contains(expected), "{problem}");
    }
}
