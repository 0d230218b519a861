//! `pylate-rs-encode MODEL TEXTS.txt query|document OUT.safetensors`: the vectors of each line, as tensors `0`, `1`, … `[tokens, dim]`.

use std::collections::HashMap;

use pylate_rs::ColBERT;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, texts, kind, output] = arguments.as_slice() else {
        anyhow::bail!("usage: pylate-rs-encode MODEL TEXTS.txt query|document OUT.safetensors");
    };
    let mut model: ColBERT = ColBERT::from(model).try_into()?;
    let texts = std::fs::read_to_string(texts)?;
    let mut tensors = HashMap::new();
    // One at a time: what is returned for several is filled up to the longest.
    for (number, text) in texts.lines().enumerate() {
        let vectors = model.encode(&[text.to_owned()], kind == "query")?.squeeze(0)?;
        tensors.insert(number.to_string(), vectors);
    }
    candle_core::safetensors::save(&tensors, output)?;
    Ok(())
}
