"""Training of Keras networks: the loop, its compiled steps, checkpoints, progress and what it takes of the device.

`models.neural` imports it; it imports layers and `models.data`, and knows of a model only what the `Trainable` protocol
says. Begin with `loop`, then `steps`.
"""
