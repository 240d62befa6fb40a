//! Refinements to rewarded trajectories: LeDex's rewards (arXiv 2405.18649, §3.4), each at the end of its own segment, and
//! SCoRe's for two attempts (arXiv 2409.12917).

use super::collect::STRIDE;
use super::dialogue::{Examiner, Taken};
use super::error::Result;
use super::prompts;
use super::reward::codebleu::{CodeBleu, Parsed, ZeroDataFlow};
use super::reward::embedding::{Embedder, HashedNgrams};
use super::reward::rewards::{
    ExplanationScale, explanation_similarity, refinement_reward, refinement_similarity,
};
use super::settings::{RlSettings, Shaping};
use crate::model::Tokenizer;
use crate::train::policy::score::{self, ScoreSettings, ScoreStage};
use crate::train::policy::{Segment, Trajectory};
use std::collections::BTreeMap;
use std::ops::Range;

/// LeDex's constants are for RoBERTa's cosines, which lie from 0.4 to 1; those of hashed words lie from 0 to 1.
const EXPLANATIONS: ExplanationScale = ExplanationScale { slope: 10.0, offset: 5.0 };

/// CodeBLEU, but an answer without any data flow is not paid for having none, as the package has it.
const LIKENESS: CodeBleu = CodeBleu { weights: [0.25; 4], zero_data_flow: ZeroDataFlow::OneIfNoneExpected };

/// What an answer that holds no code is worth: the least that LeDex's rewards can be.
const NO_ANSWER: f64 = -5.0;

/// A trajectory without its log-probabilities, which models give it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rewarded {
    pub(super) tokens: Vec<u32>,
    pub(super) turns: Vec<Range<usize>>,
    pub(super) rewards: Vec<Segment>,
    pub(super) kl_coefficients: Option<Vec<f64>>,
    pub(super) group: u64,
}

impl Rewarded {
    pub(super) fn with_log_probs(self, old: Vec<f32>, reference: Option<Vec<f32>>) -> Trajectory {
        let Self { tokens, turns, rewards, kl_coefficients, group } = self;
        Trajectory {
            tokens,
            turns,
            old_log_probs: old,
            reference_log_probs: reference,
            rewards,
            kl_coefficients,
            group,
        }
    }
}

/// What a refinement came to.
struct Score {
    refinement: f64,
    explanation: Option<f64>,
}

/// The trajectories of a round. Refinements that could not be judged are left out. `firsts` are the wrong first tries.
pub(super) async fn rewarded(
    examiner: &Examiner<'_>,
    rules: &RlSettings,
    tokenizer: &Tokenizer,
    firsts: &[&Taken<'_>],
    refined: &[Taken<'_>],
) -> Result<Vec<Rewarded>> {
    let rates = pass_rates(examiner, refined).await?;
    let groups = groups(refined);
    let mut all = Vec::new();
    for members in groups.values() {
        let scores = scores(refined, members, &rates)?;
        for (&index, score) in members.iter().zip(scores) {
            let Some(score) = score else { continue };
            let taken = &refined[index];
            let group = u64::try_from(taken.task.id).unwrap_or_default() * u64::from(STRIDE) * 64
                + u64::from(taken.sample / STRIDE);
            let built = match rules.shaping {
                Shaping::Ledex => ledex(taken, &score, rules, tokenizer)?,
                Shaping::ScoreOne => two_attempts(taken, firsts, (ScoreStage::One, rules), tokenizer)?,
                Shaping::ScoreTwo => two_attempts(taken, firsts, (ScoreStage::Two, rules), tokenizer)?,
            };
            all.extend(built.map(|one| Rewarded { group, ..one }));
        }
    }
    Ok(all)
}

/// `S_ut` of each refinement: all tests for an accepted one; one by one for the others; for proofs all or nothing.
async fn pass_rates(examiner: &Examiner<'_>, refined: &[Taken<'_>]) -> Result<Vec<Option<f64>>> {
    let wrong: Vec<usize> = (0..refined.len())
        .filter(|&index| !refined[index].is_accepted() && refined[index].is_judged())
        .collect();
    let answers: Vec<_> = wrong
        .iter()
        .filter_map(|&index| Some((refined[index].task, refined[index].answer.as_ref()?.code.as_str())))
        .collect();
    let partial = examiner.pass_rates(&answers).await?;
    let of = |one: &Taken<'_>| one.is_judged().then(|| f64::from(u8::from(one.is_accepted())));
    let mut rates: Vec<Option<f64>> = refined.iter().map(of).collect();
    for (index, rate) in wrong.into_iter().zip(partial) {
        rates[index] = rate.or(rates[index]);
    }
    Ok(rates)
}

/// Refinements by the wrong first try that they are of.
fn groups(refined: &[Taken<'_>]) -> BTreeMap<(i64, u32), Vec<usize>> {
    let mut groups: BTreeMap<(i64, u32), Vec<usize>> = BTreeMap::new();
    for (index, one) in refined.iter().enumerate() {
        groups.entry((one.task.id, one.sample / STRIDE)).or_default().push(index);
    }
    groups
}

/// The scores of one wrong try's refinements; `None` for what could not be judged.
fn scores(refined: &[Taken<'_>], members: &[usize], rates: &[Option<f64>]) -> Result<Vec<Option<Score>>> {
    let Some(&first) = members.first() else { return Ok(Vec::new()) };
    let problem = &refined[first].task.problem;
    let is_python = matches!(problem.kind, proofloop_datasets::Kind::Python(_));
    let right = || members.iter().map(|&index| &refined[index]).filter(|one| one.is_accepted());
    let mut references: Vec<Parsed> = Vec::new();
    if is_python {
        let known = problem.known.as_deref();
        references.extend(known.map(|code| Parsed::new(&program(&refined[first], code))));
        let answers = right().filter_map(|one| one.answer.as_ref());
        references.extend(answers.map(|answer| Parsed::new(&program(&refined[first], &answer.code))));
    }
    let explanations = explanations(&refined[first], right());
    let embedder = HashedNgrams::default();
    let correct = embedder.embed(&explanations.iter().map(String::as_str).collect::<Vec<_>>())?;
    let score = |&index: &usize| -> Result<Option<Score>> {
        let one = &refined[index];
        let Some(answer) = &one.answer else {
            return Ok(Some(Score { refinement: NO_ANSWER, explanation: None }));
        };
        let Some(rate) = rates[index] else { return Ok(None) };
        // Where nothing is known to be like, being right is all that counts.
        let likeness = is_python
            .then(|| refinement_similarity(&LIKENESS, &Parsed::new(&program(one, &answer.code)), &references))
            .flatten()
            .unwrap_or(rate);
        let explanation = match &answer.explanation {
            Some(text) if !correct.is_empty() => {
                let own = embedder.embed(&[text.as_str()])?;
                let own = own.first().map_or(&[][..], Vec::as_slice);
                explanation_similarity(own, &correct)?.map(|like| EXPLANATIONS.reward(like))
            }
            Some(_) | None => None,
        };
        Ok(Some(Score { refinement: refinement_reward(likeness, rate), explanation }))
    };
    members.iter().map(score).collect()
}

fn program(taken: &Taken<'_>, code: &str) -> String {
    format!("{}{code}", prompts::prompt(&taken.task.problem, &[], prompts::Ask::Write))
}

/// Explanations that are known to be right: of the planted bug that the wrong try is, and of refinements that were accepted.
fn explanations<'a, 't: 'a>(first: &Taken<'_>, right: impl Iterator<Item = &'a Taken<'t>>) -> Vec<String> {
    let wrong = first.failed.last().map(|failed| failed.answer.code.as_str());
    let planted = first.task.bugs.iter().filter(|bug| Some(bug.completion.as_str()) == wrong);
    let own = right.filter_map(|one| one.answer.as_ref()?.explanation.clone());
    planted.map(|bug| bug.explanation.clone()).chain(own).collect()
}

/// The prompt's tokens as the generator reads them, and the answer's as it wrote them.
fn ledex(
    taken: &Taken<'_>,
    score: &Score,
    rules: &RlSettings,
    tokenizer: &Tokenizer,
) -> Result<Option<Rewarded>> {
    let Some(written) = taken.completion.token_ids.as_ref().filter(|ids| !ids.is_empty()) else {
        return Ok(None);
    };
    let mut tokens = tokenizer.encode(&taken.prompt, true)?;
    let start = tokens.len();
    tokens.extend(written);
    let end = tokens.len() - start;
    let mut rewards = Vec::new();
    if let Some(explanation) = score.explanation {
        let border = line_end(tokenizer, written).min(end);
        rewards.push(Segment { end: border, reward: explanation * rules.reward_scale });
    }
    rewards.push(Segment { end, reward: score.refinement * rules.reward_scale });
    Ok(Some(Rewarded {
        turns: std::iter::once(start..tokens.len()).collect(),
        tokens,
        rewards,
        kl_coefficients: None,
        group: 0,
    }))
}

/// How many tokens hold the first line with its line break. A model has a few more tokens than its tokenizer has texts for,
/// and may write one of them at times: it adds no text.
fn line_end(tokenizer: &Tokenizer, tokens: &[u32]) -> usize {
    let mut known = Vec::with_capacity(tokens.len());
    for (index, &token) in tokens.iter().enumerate() {
        known.extend(tokenizer.decode(&[token], true).ok().map(|_text| token));
        if tokenizer.decode(&known, true).is_ok_and(|text| text.contains('\n')) {
            return index + 1;
        }
    }
    tokens.len()
}

/// Both attempts in one text; none where the first does not stand in the second's prompt as it was written.
fn two_attempts(
    taken: &Taken<'_>,
    firsts: &[&Taken<'_>],
    (stage, rules): (ScoreStage, &RlSettings),
    tokenizer: &Tokenizer,
) -> Result<Option<Rewarded>> {
    let is_first =
        |one: &&&Taken<'_>| one.task.id == taken.task.id && one.sample / STRIDE == taken.sample / STRIDE;
    let Some(first) = firsts.iter().find(is_first) else { return Ok(None) };
    let (Some(answer), Some(one), Some(two)) =
        (&first.answer, &first.completion.token_ids, &taken.completion.token_ids)
    else {
        return Ok(None);
    };
    let begin = format!("{}{}", first.prompt, answer.code);
    let Some(between) = taken.prompt.strip_prefix(&begin).filter(|_| answer.code == first.completion.text)
    else {
        return Ok(None);
    };
    let mut tokens = tokenizer.encode(&first.prompt, true)?;
    let attempt_one = tokens.len()..tokens.len() + one.len();
    tokens.extend(one);
    tokens.extend(tokenizer.encode(between, false)?);
    let attempt_two = tokens.len()..tokens.len() + two.len();
    tokens.extend(two);
    if attempt_one.is_empty() || attempt_two.is_empty() {
        return Ok(None);
    }
    let is_right = |one: &Taken<'_>| f64::from(u8::from(one.is_accepted()));
    let turns = score::turns(stage, (is_right(first), is_right(taken)), &ScoreSettings::default());
    let ends = [attempt_one.len(), attempt_one.len() + attempt_two.len()];
    let paid = turns.iter().zip(ends);
    let rewards = paid.map(|(turn, end)| Segment { end, reward: turn.reward * rules.reward_scale }).collect();
    let kl_coefficients = Some(turns.iter().map(|turn| turn.kl_coefficient).collect());
    Ok(Some(Rewarded { tokens, turns: vec![attempt_one, attempt_two], rewards, kl_coefficients, group: 0 }))
}
