"""Every network on a GPU with Keras on JAX: the contract, steps, whole trainings, a large model, serving.

Nothing imports it; its modules import `benchmarks.shared`, models and, for accuracy, `benchmarks.accuracy`. Begin with
`__main__.py`, which names the stages; each is a module.
"""
