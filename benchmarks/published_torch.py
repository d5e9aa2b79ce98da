"""The paper's procedure, plainly, in PyTorch: what egem's speed is compared with.

One expert is an LSTM layer and a linear one. The code is the input of the first step, all later
inputs are zero. Training takes one pair of a code and a sequence at a time (Adam, 0.01). To
classify a sequence, every expert searches 50 iterations for its code; see METHOD, section 1.
"""

import torch
from torch import Tensor, nn

N_ITERATIONS = 50


class Expert(nn.Module):
    """Turns a code of length k into a sequence (n_timepoints, n_channels)."""

    def __init__(self, code_size: int, n_cells: int, n_channels: int):
        super().__init__()
        self.lstm = nn.LSTM(code_size, n_cells)
        self.out = nn.Linear(n_cells, n_channels)

    def forward(self, code: Tensor, n_timepoints: int) -> Tensor:
        """Return the sequence of a code."""
        inputs = torch.zeros(n_timepoints, len(code))
        inputs = torch.cat([code[None], inputs[1:]])
        return self.out(self.lstm(inputs)[0])


def train(sequences: Tensor, n_cells: int, n_updates: int) -> Expert:
    """Train an expert on the sequences of a class, (n, n_timepoints, n_channels)."""
    n, n_timepoints, n_channels = sequences.shape
    expert, codes = Expert(n, n_cells, n_channels), torch.eye(n)
    optimiser = torch.optim.Adam(expert.parameters(), 0.01)
    for _ in range(n_updates):
        i = int(torch.randint(n, ()))
        optimiser.zero_grad()
        loss = torch.mean((expert(codes[i], n_timepoints) - sequences[i]) ** 2)
        loss.backward()
        optimiser.step()
    return expert


def search(expert: Expert, target: Tensor, code_size: int) -> float:
    """Return the loss of the code that an expert finds for a target."""
    z = 1.0 / code_size + 0.005 * (2.0 * torch.rand(code_size) - 1.0)
    m, v = torch.zeros(code_size), torch.zeros(code_size)
    for _ in range(N_ITERATIONS):
        z = torch.clip(z, 0.0, 1.0)
        z = (z / z.sum()).requires_grad_()
        loss = torch.mean((expert(z, len(target)) - target) ** 2)
        (gradient,) = torch.autograd.grad(loss, z)
        m = 0.9 * m + 0.1 * gradient
        v = 0.99 * v + 0.01 * gradient**2
        z = z.detach() - 0.05 * m / (torch.sqrt(v) + 1e-8)
    with torch.no_grad():
        return float(torch.mean((expert(z, len(target)) - target) ** 2))


def classify(experts: list[Expert], target: Tensor, code_size: int) -> int:
    """Return the number of the expert that comes nearest."""
    losses = [search(expert, target, code_size) for expert in experts]
    return min(range(len(experts)), key=losses.__getitem__)


class ForwardLSTM(nn.Module):
    """An LSTM of 200 cells whose last state gives the class scores."""

    def __init__(self, n_channels: int, n_classes: int):
        super().__init__()
        self.lstm = nn.LSTM(n_channels, 200, batch_first=True)
        self.out = nn.Linear(200, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores."""
        return self.out(self.lstm(x)[0][:, -1])


def train_forward(x: Tensor, y: Tensor, n_classes: int, n_epochs: int) -> ForwardLSTM:
    """Train on cases (n, n_timepoints, n_channels) in batches of 32."""
    model = ForwardLSTM(x.shape[2], n_classes)
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(n_epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model
