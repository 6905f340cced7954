"""Training of Keras networks: the loop, its compiled steps, checkpoints, progress and what it takes of the device.

`models.neural` imports it, and `jobs/train.py` the name of its event file; it imports layers, evaluation
and the contract, and knows of a model only what the `Trainable` protocol says. Begin with `loop`, then `steps`.
"""
