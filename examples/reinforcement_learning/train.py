"""Proximal policy optimisation on CartPole, as a script for SageMaker's RL images."""

import argparse
import os
from pathlib import Path

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy


def main() -> None:
    """Trains, evaluates and saves the policy."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--environment", default="CartPole-v1")
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    policy = PPO("MlpPolicy", gymnasium.make(wanted.environment), seed=wanted.seed, device="cpu")
    policy.learn(wanted.steps)
    mean, deviation = evaluate_policy(policy, gymnasium.make(wanted.environment), n_eval_episodes=wanted.episodes)
    print(f"episode_reward_mean: {mean:.2f} episode_reward_std: {deviation:.2f}")
    policy.save(Path(os.environ["SM_MODEL_DIR"], "policy"))


if __name__ == "__main__":
    main()
