//! The decoder against Hugging Face's logits, its two paths against each other, its gradients against finite
//! differences.

#[path = "model/common.rs"]
mod common;
#[path = "model/golden.rs"]
mod golden;
#[path = "model/gradients.rs"]
mod gradients;
#[path = "model/ours.rs"]
mod ours;
#[path = "model/paths.rs"]
mod paths;
