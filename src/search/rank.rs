//! BM25: which conversations come first, and what one can score at most before it is opened.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), §3.2, with the usual
//! constants. A document is a conversation; a title counts as [`crate::sketch::TITLE_WEIGHT`] times in the text.

/// How fast more of the same word says less.
const K1: f64 = 1.2;
/// How much a long conversation needs more of a word than a short one.
const B: f64 = 0.75;

/// What scores are made with: the same for every conversation of a search.
pub(super) struct Ranking {
    /// The weight of each wanted term.
    weights: Vec<f64>,
    /// Words of the average conversation.
    average: f64,
}

impl Ranking {
    /// Of so many conversations, of so many words together, `having` have each term.
    pub(super) fn new(conversations: usize, words: u64, having: &[usize]) -> Self {
        let all = conversations as f64;
        let weight = |having: &usize| {
            let having = (*having as f64).min(all);
            (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
        };
        let average = words as f64 / all.max(1.0);
        Self { weights: having.iter().map(weight).collect(), average: average.max(1.0) }
    }

    /// The score of a conversation of so many words in which each term stands so often; it rises with each of these.
    pub(super) fn score(&self, counts: &[u32], words: u64) -> f64 {
        let long = 1.0 - B + B * words as f64 / self.average;
        let part = |(weight, count): (&f64, &u32)| {
            let count = f64::from(*count);
            weight * count * (K1 + 1.0) / (count + K1 * long)
        };
        self.weights.iter().zip(counts).map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formula() {
        let ranking = Ranking::new(10, 1000, &[2]);
        // ln(1 + 8.5/2.5) · 3 · 2.2 / (3 + 1.2)
        assert!((ranking.score(&[3], 100) - 1.481_604_5 * 6.6 / 4.2).abs() < 1e-6);
        assert_eq!(ranking.score(&[0], 100), 0.0);
    }

    #[test]
    fn rare_words_count_more_and_long_conversations_less() {
        let ranking = Ranking::new(1000, 100_000, &[1, 900]);
        assert!(ranking.score(&[1, 0], 100) > ranking.score(&[0, 50], 100));
        assert!(ranking.score(&[1, 0], 100) > ranking.score(&[1, 0], 200));
        assert!(ranking.score(&[2, 0], 100) > ranking.score(&[1, 0], 100));
        assert!(Ranking::new(0, 0, &[0]).score(&[1], 0).is_finite());
        // Even a term that every conversation has says something.
        assert!(Ranking::new(5, 500, &[5]).score(&[1], 100) > 0.0);
    }
}
