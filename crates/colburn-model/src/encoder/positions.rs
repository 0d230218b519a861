//! Positions as fairseq counts them, for RoBERTa and MPNet. The first token has the row behind the padding's. A padding token that is
//! written in a text has the padding's row and is not counted.

use colburn_ops::Spans;

use super::table::Table;
use burn::tensor::Tensor;

/// The number of tokens that have rows: those behind the padding's row.
pub fn room(max_position_embeddings: usize, padding: u32) -> usize {
    max_position_embeddings.saturating_sub(padding as usize + 1)
}

/// The fault of a table without a row behind the padding's.
pub fn problem(max_position_embeddings: usize, padding: u32) -> Option<String> {
    (room(max_position_embeddings, padding) == 0).then(|| {
        format!(
            "max_position_embeddings = {max_position_embeddings}; more than {} are expected: positions begin behind pad_token_id = {padding}",
            padding as usize + 1
        )
    })
}

/// The position embeddings of a packed run, `[tokens, hidden]`. No gradient reaches the padding's row, as with `padding_idx` in PyTorch.
pub fn embed(table: &Table, ids: &[u32], spans: &Spans, padding: u32) -> Tensor<2> {
    table.words(&numbers(ids, spans, padding), Some(padding))
}

/// The rows of the tokens' positions (`create_position_ids_from_input_ids` of transformers).
fn numbers(ids: &[u32], spans: &Spans, padding: u32) -> Vec<u32> {
    let mut rows = Vec::with_capacity(ids.len());
    for text in 0..spans.len() {
        let mut row = padding;
        for &id in &ids[spans.range(text)] {
            row += u32::from(id != padding);
            rows.push(if id == padding { padding } else { row });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    // ids = torch.tensor([[0, 7, 1, 8, 2]]); RobertaEmbeddings.create_position_ids_from_input_ids(ids, 1) -> [[2, 3, 1, 4, 5]]
    #[test]
    fn padding_is_not_counted() {
        let spans = Spans::from_lengths(&[5, 0, 2]);
        assert_eq!(numbers(&[0, 7, 1, 8, 2, 0, 2], &spans, 1), [2, 3, 1, 4, 5, 2, 3]);
    }

    #[test]
    fn rows_up_to_the_paddings_hold_no_token() {
        assert_eq!(room(514, 1), 512);
        assert_eq!(problem(3, 1), None);
        let problem = problem(2, 1).unwrap_or_default();
        assert!(problem.starts_with("max_position_embeddings = 2; more than 2 are expected"), "{problem}");
    }
}
