"""V-Net, 3D U-Net, the Dynamic Interaction Module and the heads."""

from crln.networks.blocks import Pointwise
from crln.networks.dim import DynamicInteractionModule
from crln.networks.label_rectifier import LabelRectifier
from crln.networks.projection import ProjectionHead
from crln.networks.rectified import RectifiedNetwork
from crln.networks.segmentation import SegmentationNetwork, build_backbone
from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet, VNetDecoder, VNetEncoder

__all__ = [
    "DynamicInteractionModule",
    "LabelRectifier",
    "Pointwise",
    "ProjectionHead",
    "RectifiedNetwork",
    "SegmentationNetwork",
    "UNet3D",
    "VNet",
    "VNetDecoder",
    "VNetEncoder",
    "build_backbone",
]
